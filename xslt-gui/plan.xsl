<?xml version="1.0" encoding="UTF-8"?>
<!-- The daily plan: a Gantt chart made as SVG, and the same as a table. A planned bar is an outline
     (from the planned start, as long as the order usually takes), the actual bar lies on it. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                xmlns:exsl="http://exslt.org/common" xmlns:date="http://exslt.org/dates-and-times"
                extension-element-prefixes="exsl date" exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:key name="lane" match="bar" use="@lane"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:GetPlanResponse"/>
  <xsl:variable name="day" select="string($answer/sup:planDay)"/>
  <xsl:variable name="by"><xsl:choose><xsl:when test="f:query('by') = 'cluster'">cluster</xsl:when><xsl:otherwise>chain</xsl:otherwise></xsl:choose></xsl:variable>
  <xsl:variable name="now-s" select="f:seconds($now)"/>
  <!-- One bar for each order, in seconds: planned from p to q, actual from s to e. -->
  <xsl:variable name="bars-tree">
    <xsl:for-each select="$answer/sup:order">
      <xsl:variable name="p" select="f:seconds(t:plannedAt)"/>
      <xsl:variable name="usual"><xsl:choose><xsl:when test="t:expectedMs &gt; 0"><xsl:value-of select="t:expectedMs div 1000"/></xsl:when><xsl:otherwise>0</xsl:otherwise></xsl:choose></xsl:variable>
      <bar id="{t:id}" state="{t:state}" chain="{t:chain}">
        <xsl:attribute name="lane"><xsl:choose><xsl:when test="$by = 'cluster'"><xsl:value-of select="t:cluster"/></xsl:when><xsl:otherwise><xsl:value-of select="t:chain"/></xsl:otherwise></xsl:choose></xsl:attribute>
        <xsl:if test="$p = $p"><xsl:attribute name="p"><xsl:value-of select="format-number($p, '0.000')"/></xsl:attribute><xsl:attribute name="q"><xsl:value-of select="format-number($p + $usual, '0.000')"/></xsl:attribute></xsl:if>
        <xsl:if test="string(t:startedAt)">
          <xsl:attribute name="s"><xsl:value-of select="format-number(f:seconds(t:startedAt), '0.000')"/></xsl:attribute>
          <xsl:attribute name="e"><xsl:choose><xsl:when test="string(t:endedAt)"><xsl:value-of select="format-number(f:seconds(t:endedAt), '0.000')"/></xsl:when><xsl:otherwise><xsl:value-of select="format-number($now-s, '0.000')"/></xsl:otherwise></xsl:choose></xsl:attribute>
        </xsl:if>
        <xsl:attribute name="words">
          <xsl:value-of select="concat(t:id, ': ', f:words(t:state), ', planned ', substring(f:utc(t:plannedAt), 12, 8))"/>
          <xsl:if test="string(t:startedAt)"><xsl:value-of select="concat(', started ', substring(f:utc(t:startedAt), 12, 8), ', ', f:between(t:startedAt, t:endedAt))"/></xsl:if>
          <xsl:text> UTC</xsl:text>
        </xsl:attribute>
      </bar>
    </xsl:for-each>
  </xsl:variable>
  <xsl:variable name="bars" select="exsl:node-set($bars-tree)/bar"/>
  <!-- The axis runs over whole hours, from the first to the last thing seen. -->
  <xsl:variable name="first"><xsl:for-each select="$bars/@p | $bars/@s"><xsl:sort data-type="number"/><xsl:if test="position() = 1"><xsl:value-of select="floor(. div 3600) * 3600"/></xsl:if></xsl:for-each></xsl:variable>
  <xsl:variable name="last"><xsl:for-each select="$bars/@q | $bars/@p | $bars/@e"><xsl:sort data-type="number" order="descending"/><xsl:if test="position() = 1"><xsl:value-of select="(floor(. div 3600) + 1) * 3600"/></xsl:if></xsl:for-each></xsl:variable>
  <xsl:variable name="hours" select="($last - $first) div 3600"/>
  <xsl:variable name="label" select="220"/>
  <xsl:variable name="width" select="1000"/>
  <xsl:variable name="scale" select="$width div ($last - $first)"/>

  <xsl:template match="c:page" mode="title">Daily plan <xsl:value-of select="$day"/></xsl:template>
  <xsl:template match="c:page" mode="tools">
    <xsl:if test="$day != ''">
      <a class="button" rel="prev" href="/controller/plan?day={substring(date:add(concat($day, 'T00:00:00Z'), '-P1D'), 1, 10)}&amp;by={$by}">Day before</a>
      <a class="button" href="/controller/plan?by={$by}">Today</a>
      <a class="button" rel="next" href="/controller/plan?day={substring(date:add(concat($day, 'T00:00:00Z'), 'P1D'), 1, 10)}&amp;by={$by}">Day after</a>
    </xsl:if>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/plan" method="get" aria-label="Day and lanes">
      <label class="field"><span>Plan day</span><input type="date" name="day" value="{$day}"/></label>
      <label class="field"><span>Lanes by</span><select name="by">
        <xsl:call-template name="option"><xsl:with-param name="value" select="'chain'"/><xsl:with-param name="current" select="$by"/></xsl:call-template>
        <xsl:call-template name="option"><xsl:with-param name="value" select="'cluster'"/><xsl:with-param name="words" select="'agent cluster'"/><xsl:with-param name="current" select="$by"/></xsl:call-template>
      </select></label>
      <button type="submit">Show</button>
    </form>
    <xsl:choose>
      <xsl:when test="not($answer/sup:order)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No order is planned for this day.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <section class="panel" aria-labelledby="gantt">
          <h2 id="gantt">Timetable <span class="zone">UTC</span></h2>
          <xsl:if test="$hours &gt; 0"><xsl:call-template name="gantt"/></xsl:if>
        </section>
        <section aria-labelledby="table">
          <h2 id="table">Orders <span class="count"><xsl:value-of select="count($answer/sup:order)"/></span></h2>
          <div class="scroll" tabindex="0" role="region" aria-labelledby="table"><table class="rows">
            <thead><tr><th scope="col">Planned<xsl:call-template name="zone"/></th><th scope="col">State</th><th scope="col">Order</th><th scope="col">Chain</th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col" class="num">Late by</th><th scope="col" class="num">Duration</th><th scope="col" class="num">Usually</th></tr></thead>
            <tbody>
              <xsl:for-each select="$answer/sup:order">
                <tr>
                  <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:plannedAt"/></xsl:call-template></td>
                  <td><xsl:call-template name="state"><xsl:with-param name="mark" select="t:mark"/></xsl:call-template></td>
                  <xsl:call-template name="order-cell"/>
                  <td><xsl:call-template name="chain-link"/></td>
                  <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
                  <td class="num"><xsl:if test="string(t:startedAt)"><xsl:value-of select="f:between(t:plannedAt, t:startedAt)"/></xsl:if></td>
                  <td class="num"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></td>
                  <td class="num"><xsl:value-of select="f:ms(t:expectedMs)"/></td>
                </tr>
              </xsl:for-each>
            </tbody>
          </table></div>
          <xsl:call-template name="pager"><xsl:with-param name="cursor" select="$answer/sup:cursor"/><xsl:with-param name="shown" select="count($answer/sup:order)"/></xsl:call-template>
        </section>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="gantt">
    <xsl:variable name="lanes" select="$bars[generate-id() = generate-id(key('lane', @lane)[1])]"/>
    <xsl:variable name="height" select="count($lanes) * 26 + 24"/>
    <div class="scroll" tabindex="0" role="region" aria-label="Timetable, the table below says the same">
      <svg class="gantt" width="{$label + $width + 16}" height="{$height}" viewBox="0 0 {$label + $width + 16} {$height}" role="group" aria-label="Timetable">
        <xsl:call-template name="tick"><xsl:with-param name="height" select="$height"/></xsl:call-template>
        <xsl:for-each select="$lanes">
          <xsl:sort select="@lane"/>
          <xsl:variable name="y" select="(position() - 1) * 26 + 22"/>
          <line class="grid" x1="0" x2="{$label + $width}" y1="{$y + 26}" y2="{$y + 26}"/>
          <text class="lane" x="0" y="{$y + 17}">
            <title><xsl:value-of select="@lane"/></title>
            <xsl:choose>
              <xsl:when test="@lane = ''">no cluster yet</xsl:when>
              <xsl:when test="string-length(@lane) &gt; 30"><xsl:value-of select="concat('…', substring(@lane, string-length(@lane) - 28))"/></xsl:when>
              <xsl:otherwise><xsl:value-of select="@lane"/></xsl:otherwise>
            </xsl:choose>
          </text>
          <xsl:for-each select="key('lane', @lane)">
            <xsl:variable name="tone" select="f:tone(@state)"/>
            <a href="/controller/order?id={f:encode(@id)}">
              <title><xsl:value-of select="@words"/></title>
              <xsl:if test="@p">
                <rect class="planned s-{$tone}" x="{format-number($label + (@p - $first) * $scale, '0.0')}" y="{$y + 4}" height="18" rx="2">
                  <xsl:attribute name="width"><xsl:choose><xsl:when test="(@q - @p) * $scale &lt; 6">6</xsl:when><xsl:otherwise><xsl:value-of select="format-number((@q - @p) * $scale, '0.0')"/></xsl:otherwise></xsl:choose></xsl:attribute>
                </rect>
              </xsl:if>
              <xsl:if test="@s">
                <rect class="fill s-{$tone}" x="{format-number($label + (@s - $first) * $scale, '0.0')}" y="{$y + 7}" height="12" rx="2">
                  <xsl:attribute name="width"><xsl:choose><xsl:when test="(@e - @s) * $scale &lt; 4">4</xsl:when><xsl:otherwise><xsl:value-of select="format-number((@e - @s) * $scale, '0.0')"/></xsl:otherwise></xsl:choose></xsl:attribute>
                </rect>
              </xsl:if>
              <xsl:choose>
                <xsl:when test="@s and (@e - @s) * $scale &gt; 18"><use class="glyph s-{$tone}" href="#g-{$tone}" x="{format-number($label + (@s - $first) * $scale + 3, '0.0')}" y="{$y + 8}" width="10" height="10"/></xsl:when>
                <xsl:when test="not(@s) and @p and $tone != 'planned'"><use class="glyph bare s-{$tone}" href="#g-{$tone}" x="{format-number($label + (@p - $first) * $scale + 8, '0.0')}" y="{$y + 7}" width="12" height="12"/></xsl:when>
              </xsl:choose>
            </a>
          </xsl:for-each>
        </xsl:for-each>
        <xsl:if test="$now-s &gt;= $first and $now-s &lt;= $last">
          <line class="now" x1="{format-number($label + ($now-s - $first) * $scale, '0.0')}" x2="{format-number($label + ($now-s - $first) * $scale, '0.0')}" y1="14" y2="{$height}"/>
          <text class="now-text" x="{format-number($label + ($now-s - $first) * $scale + 4, '0.0')}" y="{$height - 4}">now</text>
        </xsl:if>
      </svg>
    </div>
  </xsl:template>
  <!-- A line for every hour, a text for as many as there is room for. -->
  <xsl:template name="tick">
    <xsl:param name="at" select="$first"/>
    <xsl:param name="height"/>
    <xsl:variable name="step"><xsl:choose><xsl:when test="$hours &gt; 400">86400</xsl:when><xsl:when test="$hours &gt; 48">21600</xsl:when><xsl:when test="$hours &gt; 14">7200</xsl:when><xsl:when test="$hours &gt; 3">3600</xsl:when><xsl:otherwise>900</xsl:otherwise></xsl:choose></xsl:variable>
    <xsl:if test="$at &lt;= $last">
      <xsl:variable name="x" select="format-number($label + ($at - $first) * $scale, '0.0')"/>
      <line class="grid" x1="{$x}" x2="{$x}" y1="18" y2="{$height}"/>
      <xsl:variable name="minutes" select="floor($at div 60) mod 1440"/>
      <text class="tick" x="{$x}" y="12"><xsl:value-of select="concat(format-number(floor($minutes div 60), '00'), ':', format-number($minutes mod 60, '00'))"/></text>
      <xsl:call-template name="tick"><xsl:with-param name="at" select="$at + $step"/><xsl:with-param name="height" select="$height"/></xsl:call-template>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
