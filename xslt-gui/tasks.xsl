<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListTasksResponse"/>
  <xsl:template match="c:page" mode="title">History of tasks</xsl:template>
  <xsl:template match="c:page" mode="tools">
    <a class="button" href="/controller/history">Orders</a>
    <a class="button" href="/controller/tasks?{$page/@filter}&amp;format=csv" download="download">CSV</a>
    <a class="button" href="/controller/tasks?{$page/@filter}&amp;format=xml">XML</a>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/tasks" method="get" role="search" aria-label="Filter tasks">
      <label class="field"><span>Outcome</span>
        <select name="outcome">
          <option value="">any</option>
          <xsl:for-each select="$states[@n = 'success' or @n = 'warning' or @n = 'failure']">
            <xsl:call-template name="option"><xsl:with-param name="value" select="@n"/><xsl:with-param name="words" select="@w"/><xsl:with-param name="current" select="f:query('outcome')"/></xsl:call-template>
          </xsl:for-each>
        </select>
      </label>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'job'"/><xsl:with-param name="label" select="'Job'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'agent'"/><xsl:with-param name="label" select="'Agent'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'order'"/><xsl:with-param name="label" select="'Order'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'from'"/><xsl:with-param name="label" select="'Started from (UTC)'"/><xsl:with-param name="type" select="'datetime-local'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'to'"/><xsl:with-param name="label" select="'to (UTC)'"/><xsl:with-param name="type" select="'datetime-local'"/></xsl:call-template>
      <button type="submit">Filter</button>
      <xsl:if test="string($page/@filter)"><a class="button" href="/controller/tasks">Clear</a></xsl:if>
    </form>
    <xsl:choose>
      <xsl:when test="not($answer/sup:task)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No task matches.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Tasks"><table class="rows">
          <thead><tr><th scope="col">Outcome</th><th scope="col">Node</th><th scope="col">Job</th><th scope="col">Order</th><th scope="col" class="num">Attempt</th><th scope="col">Agent</th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col" class="num">Duration</th><th scope="col" class="num">Exit</th><th scope="col" class="num">CPU</th><th scope="col" class="num">Memory</th><th scope="col">Log</th><th scope="col">Cause</th></tr></thead>
          <tbody>
            <xsl:for-each select="$answer/sup:task">
              <tr>
                <td><xsl:choose><xsl:when test="string(t:outcome)"><xsl:call-template name="state"><xsl:with-param name="state" select="t:outcome"/></xsl:call-template></xsl:when><xsl:otherwise><xsl:call-template name="state"/></xsl:otherwise></xsl:choose></td>
                <th scope="row" class="id"><xsl:value-of select="t:node"/></th>
                <td><span class="path"><xsl:value-of select="t:job"/></span></td>
                <td><xsl:call-template name="order-link"><xsl:with-param name="id" select="t:order"/></xsl:call-template></td>
                <td class="num"><xsl:value-of select="t:attempt"/></td>
                <td><xsl:value-of select="t:agent"/></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
                <td class="num"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></td>
                <td class="num"><xsl:value-of select="t:exitCode"/><xsl:if test="t:signal &gt; 0">signal <xsl:value-of select="t:signal"/></xsl:if></td>
                <td class="num"><xsl:value-of select="f:ms(t:cpuMs)"/></td>
                <td class="num"><xsl:if test="t:maxRssKb"><xsl:value-of select="f:bytes(t:maxRssKb * 1024)"/></xsl:if></td>
                <td><xsl:call-template name="log-link"><xsl:with-param name="task" select="t:id"/><xsl:with-param name="bytes" select="t:logBytes"/></xsl:call-template></td>
                <td class="sentence"><xsl:value-of select="t:cause"/></td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
        <xsl:call-template name="pager"><xsl:with-param name="cursor" select="$answer/sup:cursor"/><xsl:with-param name="shown" select="count($answer/sup:task)"/></xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
