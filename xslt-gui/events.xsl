<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:GetEventsResponse"/>
  <xsl:template match="c:page" mode="title">Events</xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/events" method="get" role="search" aria-label="Filter events">
      <xsl:call-template name="field"><xsl:with-param name="name" select="'order'"/><xsl:with-param name="label" select="'Order'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'after'"/><xsl:with-param name="label" select="'After position'"/></xsl:call-template>
      <button type="submit">Show</button>
      <a class="button" href="/controller/events">Newest</a>
    </form>
    <xsl:if test="f:may('event.post')">
      <form class="filters" action="/controller/do/post-event" method="post" aria-label="Post an external event">
        <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
        <label class="field"><span>External event</span><input type="text" name="name" required="required" maxlength="60" pattern="[A-Za-z0-9_][A-Za-z0-9_.\-]*"/></label>
        <label class="field"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
        <button type="submit">Post</button>
      </form>
    </xsl:if>
    <xsl:choose>
      <xsl:when test="not($answer/sup:event)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No events.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Events"><table class="rows">
          <thead><tr><th scope="col" class="num">Position</th><th scope="col">At<xsl:call-template name="zone"/></th><th scope="col">Event</th><th scope="col">State</th><th scope="col">Order</th><th scope="col">Node</th><th scope="col">Agent</th><th scope="col">Cluster</th><th scope="col">By</th><th scope="col">Details</th></tr></thead>
          <tbody>
            <xsl:for-each select="$answer/sup:event">
              <xsl:sort select="@index" data-type="number" order="descending"/>
              <tr>
                <td class="num"><xsl:value-of select="@index"/></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="@at"/></xsl:call-template></td>
                <th scope="row"><xsl:value-of select="f:spaced(@type)"/></th>
                <td>
                  <xsl:choose>
                    <xsl:when test="string(@outcome)"><xsl:call-template name="state"><xsl:with-param name="state" select="@outcome"/></xsl:call-template></xsl:when>
                    <xsl:when test="string(@state)"><xsl:call-template name="state"><xsl:with-param name="state" select="@state"/></xsl:call-template></xsl:when>
                  </xsl:choose>
                </td>
                <td><xsl:if test="string(@order)"><xsl:call-template name="order-link"><xsl:with-param name="id" select="@order"/></xsl:call-template></xsl:if></td>
                <td class="id"><xsl:value-of select="@node"/><xsl:if test="@attempt &gt; 1"><span class="quiet"> attempt <xsl:value-of select="@attempt"/></span></xsl:if></td>
                <td><xsl:value-of select="@agent"/></td>
                <td class="path"><xsl:value-of select="@cluster"/></td>
                <td><xsl:value-of select="@actor"/></td>
                <td class="sentence">
                  <xsl:for-each select="@chain | @schedule | @name | @action | @cause | @reason | @exitCode | @release | @count | @mark">
                    <xsl:if test="position() &gt; 1"> · </xsl:if><span class="quiet"><xsl:value-of select="f:spaced(local-name())"/></span><xsl:text> </xsl:text><xsl:value-of select="."/>
                  </xsl:for-each>
                </td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
      </xsl:otherwise>
    </xsl:choose>
    <nav class="pager" aria-label="Pages">
      <xsl:variable name="order" select="f:query('order')"/>
      <xsl:if test="$answer/sup:event and $page/@earlier"><a class="button" href="/controller/events?order={f:encode($order)}&amp;after={$page/@earlier}" rel="next">Earlier</a></xsl:if>
      <xsl:if test="$answer/sup:position and f:query('after') != ''"><a class="button" href="/controller/events?order={f:encode($order)}&amp;after={$answer/sup:position}" rel="prev">Later</a></xsl:if>
    </nav>
  </xsl:template>
</xsl:stylesheet>
