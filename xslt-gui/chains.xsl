<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListChainsResponse"/>
  <xsl:variable name="text" select="f:query('text')"/>
  <xsl:variable name="shown" select="$answer/sup:chain[$text = '' or contains(sup:path, $text) or contains(sup:title, $text)]"/>
  <xsl:template match="c:page" mode="title">Job chains</xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/chains" method="get" role="search" aria-label="Filter chains">
      <xsl:call-template name="field"><xsl:with-param name="name" select="'text'"/><xsl:with-param name="label" select="'Path or title'"/></xsl:call-template>
      <button type="submit">Filter</button>
      <xsl:if test="$text != ''"><a class="button" href="/controller/chains">Clear</a></xsl:if>
    </form>
    <xsl:choose>
      <xsl:when test="not($answer/sup:chain)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No chain is deployed. Create a release, approve it and deploy it to a Master.'"/></xsl:call-template></xsl:when>
      <xsl:when test="not($shown)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No chain matches.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Job chains"><table class="rows">
          <thead><tr><th scope="col">Chain</th><th scope="col">Title</th><th scope="col">Hold</th><th scope="col">Last run</th><th scope="col">Ended<xsl:call-template name="zone"/></th><th scope="col">Next start<xsl:call-template name="zone"/></th><th scope="col" class="num">Nodes</th><th scope="col">Cluster</th></tr></thead>
          <tbody>
            <xsl:for-each select="$shown">
              <xsl:sort select="sup:path"/>
              <tr>
                <th scope="row"><xsl:call-template name="chain-link"><xsl:with-param name="path" select="sup:path"/></xsl:call-template></th>
                <td class="sentence"><xsl:value-of select="sup:title"/></td>
                <td><xsl:if test="sup:held = 'true' or sup:held = '1'"><xsl:call-template name="state"><xsl:with-param name="state" select="'held'"/></xsl:call-template></xsl:if></td>
                <td><xsl:if test="string(sup:lastState)"><xsl:call-template name="state"><xsl:with-param name="state" select="sup:lastState"/></xsl:call-template></xsl:if></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="sup:lastEndedAt"/></xsl:call-template></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="sup:nextAt"/></xsl:call-template></td>
                <td class="num"><xsl:value-of select="sup:nodes"/></td>
                <td><span class="path"><xsl:value-of select="sup:cluster"/></span></td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
        <p class="quiet"><xsl:value-of select="count($shown)"/> of <xsl:value-of select="count($answer/sup:chain)"/> chains</p>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
