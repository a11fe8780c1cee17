<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListOrdersResponse"/>
  <xsl:template match="c:page" mode="title">History of orders</xsl:template>
  <xsl:template match="c:page" mode="tools">
    <a class="button" href="/controller/tasks">Tasks</a>
    <a class="button" href="/controller/history?{$page/@filter}&amp;format=csv" download="download">CSV</a>
    <a class="button" href="/controller/history?{$page/@filter}&amp;format=xml">XML</a>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/history" method="get" role="search" aria-label="Filter finished orders">
      <label class="field"><span>Ended as</span>
        <select name="state">
          <option value="">any end</option>
          <xsl:for-each select="$states[@n = 'succeeded' or @n = 'warned' or @n = 'failedFinally' or @n = 'cancelled' or @n = 'skipped' or @n = 'missed']">
            <xsl:call-template name="option"><xsl:with-param name="value" select="@n"/><xsl:with-param name="words" select="@w"/><xsl:with-param name="current" select="f:query('state')"/></xsl:call-template>
          </xsl:for-each>
        </select>
      </label>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'chain'"/><xsl:with-param name="label" select="'Chain'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'text'"/><xsl:with-param name="label" select="'Text'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'from'"/><xsl:with-param name="label" select="'Planned from (UTC)'"/><xsl:with-param name="type" select="'datetime-local'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'to'"/><xsl:with-param name="label" select="'to (UTC)'"/><xsl:with-param name="type" select="'datetime-local'"/></xsl:call-template>
      <button type="submit">Filter</button>
      <xsl:if test="string($page/@filter)"><a class="button" href="/controller/history">Clear</a></xsl:if>
    </form>
    <xsl:choose>
      <xsl:when test="not($answer/sup:order)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No finished order matches.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Finished orders"><table class="rows">
          <thead><tr><th scope="col">State</th><th scope="col">Order</th><th scope="col">Chain</th><th scope="col">Planned<xsl:call-template name="zone"/></th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col">Ended<xsl:call-template name="zone"/></th><th scope="col" class="num">Duration</th><th scope="col" class="num">Late by</th></tr></thead>
          <tbody>
            <xsl:for-each select="$answer/sup:order">
              <tr>
                <td><xsl:call-template name="state"/></td>
                <xsl:call-template name="order-cell"/>
                <td><xsl:call-template name="chain-link"/></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:plannedAt"/></xsl:call-template></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:endedAt"/></xsl:call-template></td>
                <td class="num"><xsl:if test="string(t:endedAt)"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></xsl:if></td>
                <td class="num"><xsl:if test="string(t:startedAt)"><xsl:value-of select="f:between(t:plannedAt, t:startedAt)"/></xsl:if></td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
        <xsl:call-template name="pager"><xsl:with-param name="cursor" select="$answer/sup:cursor"/><xsl:with-param name="shown" select="count($answer/sup:order)"/></xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
