<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="log" select="/c:page/c:log"/>
  <xsl:variable name="task" select="string($log/@task)"/>
  <xsl:variable name="base" select="concat('/controller/log?task=', f:encode($task))"/>
  <xsl:template match="c:page" mode="title">Log of <span class="id"><xsl:value-of select="f:query('task')"/></span></xsl:template>
  <xsl:template match="c:page" mode="tools">
    <xsl:if test="string($log/@order)"><a class="button" href="/controller/order?id={f:encode($log/@order)}">Order</a></xsl:if>
    <xsl:choose>
      <xsl:when test="$log/@parts &gt; 1">
        <xsl:call-template name="part"/>
      </xsl:when>
      <xsl:otherwise><a class="button" href="/controller/log-file?task={f:encode($task)}" download="download">Download</a></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="part">
    <xsl:param name="n" select="1"/>
    <a class="button" href="/controller/log-file?task={f:encode($task)}&amp;part={$n - 1}" download="download">Download part <xsl:value-of select="$n"/></a>
    <xsl:if test="$n &lt; $log/@parts and $n &lt; 40"><xsl:call-template name="part"><xsl:with-param name="n" select="$n + 1"/></xsl:call-template></xsl:if>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/log" method="get" role="search" aria-label="Search this log">
      <input type="hidden" name="task" value="{$task}"/>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'find'"/><xsl:with-param name="label" select="'Find in this log'"/><xsl:with-param name="type" select="'search'"/></xsl:call-template>
      <button type="submit">Find</button>
      <a class="button" href="{$base}&amp;find=error">First error</a>
      <a class="button" href="{$base}&amp;offset=0">Beginning</a>
      <a class="button" href="{$base}">End</a>
      <xsl:if test="$log/@earlier"><a class="button" rel="prev" href="{$base}&amp;before={$log/@earlier}">Earlier</a></xsl:if>
      <xsl:if test="$log/@later"><a class="button" rel="next" href="{$base}&amp;offset={$log/@next}&amp;line={$log/@next-line}">Later</a></xsl:if>
    </form>
    <p class="quiet" id="log-state">
      <xsl:value-of select="f:bytes($log/@size)"/>
      <xsl:choose>
        <xsl:when test="$log/@complete = 'true'"> · complete</xsl:when>
        <xsl:otherwise> · the job is still writing · <a href="{$base}">refresh</a></xsl:otherwise>
      </xsl:choose>
      <xsl:if test="$log/@later or $log/@offset &gt; 0"><span class="window"> · bytes <xsl:value-of select="$log/@offset"/> to <xsl:value-of select="$log/@next"/> are shown</span></xsl:if>
    </p>
    <xsl:if test="string($log/@find)">
      <p class="message">
        <xsl:choose>
          <xsl:when test="$log/@found = 'true'">Found “<xsl:value-of select="$log/@find"/>”<xsl:if test="$log/@hit-line"> in line <xsl:value-of select="$log/@hit-line"/></xsl:if>. <a href="{$base}&amp;find={f:encode($log/@find)}&amp;from={$log/@find-next}&amp;line={$log/@find-next-line}">Find next</a></xsl:when>
          <xsl:when test="$log/@find-next">Not in the part that was searched. <a href="{$base}&amp;find={f:encode($log/@find)}&amp;from={$log/@find-next}&amp;line={$log/@find-next-line}">Search on</a></xsl:when>
          <xsl:otherwise>“<xsl:value-of select="$log/@find"/>” does not occur<xsl:if test="$log/@searched-from &gt; 0"> after byte <xsl:value-of select="$log/@searched-from"/></xsl:if>.</xsl:otherwise>
        </xsl:choose>
      </p>
    </xsl:if>
    <!-- The script reads on from data-next and adds lines; without it the refresh link does. -->
    <ol class="log" id="log" tabindex="0" role="log" aria-label="Log" aria-live="off" data-task="{$task}" data-next="{$log/@next}" data-line="{$log/@next-line}" data-complete="{$log/@complete}">
      <xsl:if test="not($log/@later) and $log/@complete != 'true'"><xsl:attribute name="data-follow">true</xsl:attribute></xsl:if>
      <xsl:for-each select="$log/c:line">
        <li id="o{@offset}">
          <xsl:if test="@hit"><xsl:attribute name="class">hit</xsl:attribute></xsl:if>
          <a class="n" href="{$base}&amp;offset={@offset}&amp;line={@n}#o{@offset}">
            <xsl:choose>
              <xsl:when test="@n"><xsl:attribute name="aria-label">Link to line <xsl:value-of select="@n"/></xsl:attribute><xsl:value-of select="@n"/></xsl:when>
              <xsl:otherwise><xsl:attribute name="href"><xsl:value-of select="concat($base, '&amp;offset=', @offset, '#o', @offset)"/></xsl:attribute><xsl:attribute name="aria-label">Link to byte <xsl:value-of select="@offset"/></xsl:attribute>+<xsl:value-of select="@offset"/></xsl:otherwise>
            </xsl:choose>
          </a>
          <code>
            <xsl:for-each select="c:run">
              <xsl:choose>
                <xsl:when test="@class"><span class="{@class}"><xsl:value-of select="."/></span></xsl:when>
                <xsl:otherwise><xsl:value-of select="."/></xsl:otherwise>
              </xsl:choose>
            </xsl:for-each>
          </code>
        </li>
      </xsl:for-each>
    </ol>
    <xsl:if test="not($log/c:line)"><p class="nothing" id="log-empty">Nothing has been written yet.</p></xsl:if>
  </xsl:template>
</xsl:stylesheet>
