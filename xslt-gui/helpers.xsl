<?xml version="1.0" encoding="UTF-8"?>
<!-- What every page needs: times, durations, sizes, states, links. Text from outside reaches the
     page only as text nodes and attribute values, and addresses only through f:encode. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                xmlns:date="http://exslt.org/dates-and-times" xmlns:func="http://exslt.org/functions"
                xmlns:str="http://exslt.org/strings" xmlns:exsl="http://exslt.org/common"
                extension-element-prefixes="func date str exsl"
                exclude-result-prefixes="c sup t f">

  <xsl:variable name="page" select="/c:page"/>
  <xsl:variable name="now" select="string(/c:page/@now)"/>
  <xsl:variable name="rights" select="/c:page/c:who//sup:right"/>

  <!-- One parameter of the page's address. -->
  <func:function name="f:query">
    <xsl:param name="name"/>
    <func:result select="string($page/c:query/c:value[@name = $name][1])"/>
  </func:function>
  <!-- May this person do that? Without an answer about rights, show the action: the service decides. -->
  <func:function name="f:may">
    <xsl:param name="right"/>
    <func:result select="not($rights) or boolean($rights[. = $right])"/>
  </func:function>
  <func:function name="f:encode">
    <xsl:param name="text"/>
    <func:result select="str:encode-uri(string($text), true())"/>
  </func:function>
  <!-- The last step of a path: /finance/eod gives eod. -->
  <func:function name="f:last">
    <xsl:param name="path"/>
    <xsl:choose>
      <xsl:when test="contains($path, '/')"><func:result select="f:last(substring-after($path, '/'))"/></xsl:when>
      <xsl:otherwise><func:result select="string($path)"/></xsl:otherwise>
    </xsl:choose>
  </func:function>
  <func:function name="f:cut">
    <xsl:param name="text"/>
    <xsl:param name="length"/>
    <xsl:choose>
      <xsl:when test="string-length($text) &gt; $length">
        <func:result select="concat(substring($text, 1, $length - 1), '…')"/>
      </xsl:when>
      <xsl:otherwise><func:result select="string($text)"/></xsl:otherwise>
    </xsl:choose>
  </func:function>
  <!-- Seconds since 1970, fractions kept: an empty time gives NaN. -->
  <func:function name="f:seconds">
    <xsl:param name="time"/>
    <func:result select="date:seconds(string($time))"/>
  </func:function>
  <!-- The same instant written with Z, whatever offset it came with. -->
  <func:function name="f:utc">
    <xsl:param name="time"/>
    <xsl:choose>
      <xsl:when test="substring($time, string-length($time)) = 'Z'"><func:result select="string($time)"/></xsl:when>
      <xsl:otherwise>
        <func:result select="date:add('1970-01-01T00:00:00Z', date:duration(f:seconds($time)))"/>
      </xsl:otherwise>
    </xsl:choose>
  </func:function>
  <func:function name="f:ms">
    <xsl:param name="ms"/>
    <xsl:variable name="s" select="floor($ms div 1000)"/>
    <xsl:choose>
      <xsl:when test="string(number($ms)) = 'NaN'"><func:result select="''"/></xsl:when>
      <xsl:when test="$ms &lt; 0"><func:result select="concat('−', f:ms(-$ms))"/></xsl:when>
      <xsl:when test="$ms &lt; 1000"><func:result select="concat(round($ms), ' ms')"/></xsl:when>
      <xsl:when test="$s &lt; 60"><func:result select="concat(format-number($ms div 1000, '0.0'), ' s')"/></xsl:when>
      <xsl:when test="$s &lt; 3600">
        <func:result select="concat(floor($s div 60), ' min ', format-number($s mod 60, '00'), ' s')"/>
      </xsl:when>
      <xsl:when test="$s &lt; 86400">
        <func:result select="concat(floor($s div 3600), ' h ', format-number(floor($s div 60) mod 60, '00'), ' min')"/>
      </xsl:when>
      <xsl:otherwise>
        <func:result select="concat(floor($s div 86400), ' d ', floor($s div 3600) mod 24, ' h')"/>
      </xsl:otherwise>
    </xsl:choose>
  </func:function>
  <!-- From one time to another, or to now; nothing without a start. -->
  <func:function name="f:between">
    <xsl:param name="from"/>
    <xsl:param name="to"/>
    <xsl:choose>
      <xsl:when test="not(string($from))"><func:result select="''"/></xsl:when>
      <xsl:when test="not(string($to))"><func:result select="f:ms((f:seconds($now) - f:seconds($from)) * 1000)"/></xsl:when>
      <xsl:otherwise><func:result select="f:ms((f:seconds($to) - f:seconds($from)) * 1000)"/></xsl:otherwise>
    </xsl:choose>
  </func:function>
  <func:function name="f:bytes">
    <xsl:param name="n"/>
    <xsl:choose>
      <xsl:when test="string(number($n)) = 'NaN'"><func:result select="''"/></xsl:when>
      <xsl:when test="$n &lt; 1024"><func:result select="concat($n, ' B')"/></xsl:when>
      <xsl:when test="$n &lt; 1048576"><func:result select="concat(format-number($n div 1024, '#,##0.0'), ' KiB')"/></xsl:when>
      <xsl:when test="$n &lt; 1073741824"><func:result select="concat(format-number($n div 1048576, '#,##0.0'), ' MiB')"/></xsl:when>
      <xsl:otherwise><func:result select="concat(format-number($n div 1073741824, '#,##0.00'), ' GiB')"/></xsl:otherwise>
    </xsl:choose>
  </func:function>

  <!-- States: a tone (colour and glyph) and words. One table for orders, nodes, tasks, members,
       clusters, releases and results, so that the same thing looks the same everywhere. -->
  <xsl:variable name="states-tree">
    <s n="planned" tone="planned" w="planned"/>
    <s n="waitingForTime" tone="planned" w="waiting for time"/>
    <s n="waiting" tone="waiting" w="waiting"/>
    <s n="ready" tone="waiting" w="ready"/>
    <s n="assigned" tone="waiting" w="assigned"/>
    <s n="running" tone="running" w="running"/>
    <s n="retrying" tone="retrying" w="retrying"/>
    <s n="failed" tone="failed" w="failed"/>
    <s n="failedFinally" tone="failed" w="failed finally"/>
    <s n="suspended" tone="suspended" w="suspended"/>
    <s n="inDoubt" tone="indoubt" w="in doubt"/>
    <s n="succeeded" tone="succeeded" w="succeeded"/>
    <s n="warned" tone="warned" w="warned"/>
    <s n="cancelled" tone="cancelled" w="cancelled"/>
    <s n="skipped" tone="skipped" w="skipped"/>
    <s n="missed" tone="missed" w="missed"/>
    <s n="suspending" tone="suspended" w="suspending"/>
    <s n="resuming" tone="waiting" w="resuming"/>
    <s n="cancelling" tone="cancelled" w="cancelling"/>
    <s n="killing" tone="cancelled" w="killing"/>
    <s n="ended" tone="skipped" w="ended"/>
    <s n="success" tone="succeeded" w="success"/>
    <s n="warning" tone="warned" w="warning"/>
    <s n="failure" tone="failed" w="failure"/>
    <s n="error" tone="failed" w="error"/>
    <s n="up" tone="succeeded" w="up"/>
    <s n="lost" tone="failed" w="lost"/>
    <s n="draining" tone="suspended" w="draining"/>
    <s n="drained" tone="suspended" w="drained"/>
    <s n="unknown" tone="indoubt" w="unknown"/>
    <s n="coupled" tone="succeeded" w="coupled"/>
    <s n="uncoupled" tone="failed" w="uncoupled"/>
    <s n="noLeader" tone="failed" w="no leader"/>
    <s n="unknownPartner" tone="warned" w="unknown partner"/>
    <s n="gap" tone="warned" w="gap in events"/>
    <s n="held" tone="suspended" w="held"/>
    <s n="free" tone="succeeded" w="not held"/>
    <s n="draft" tone="planned" w="draft"/>
    <s n="validated" tone="waiting" w="validated"/>
    <s n="approved" tone="retrying" w="approved"/>
    <s n="rejected" tone="cancelled" w="rejected"/>
    <s n="deploying" tone="running" w="deploying"/>
    <s n="deployed" tone="succeeded" w="deployed"/>
    <s n="superseded" tone="skipped" w="superseded"/>
    <s n="revoked" tone="cancelled" w="revoked"/>
    <s n="done" tone="succeeded" w="done"/>
    <s n="refused" tone="failed" w="refused"/>
    <s n="denied" tone="failed" w="denied"/>
    <s n="wouldDo" tone="planned" w="would do"/>
    <s n="added" tone="succeeded" w="added"/>
    <s n="removed" tone="failed" w="removed"/>
    <s n="changed" tone="warned" w="changed"/>
  </xsl:variable>
  <xsl:variable name="states" select="exsl:node-set($states-tree)/s"/>
  <func:function name="f:tone">
    <xsl:param name="state"/>
    <xsl:variable name="known" select="$states[@n = string($state)]"/>
    <xsl:choose>
      <xsl:when test="$known"><func:result select="string($known/@tone)"/></xsl:when>
      <xsl:otherwise><func:result select="'planned'"/></xsl:otherwise>
    </xsl:choose>
  </func:function>
  <func:function name="f:words">
    <xsl:param name="state"/>
    <xsl:variable name="known" select="$states[@n = string($state)]"/>
    <xsl:choose>
      <xsl:when test="$known"><func:result select="string($known/@w)"/></xsl:when>
      <xsl:otherwise><func:result select="string($state)"/></xsl:otherwise>
    </xsl:choose>
  </func:function>
  <!-- An event's or action's name in words: orderStarted gives "order started". -->
  <func:function name="f:spaced">
    <xsl:param name="name"/>
    <xsl:variable name="first" select="substring($name, 1, 1)"/>
    <xsl:variable name="upper" select="'ABCDEFGHIJKLMNOPQRSTUVWXYZ'"/>
    <xsl:variable name="lower" select="'abcdefghijklmnopqrstuvwxyz'"/>
    <xsl:choose>
      <xsl:when test="$name = '' or string-length($name) &gt; 60"><func:result select="string($name)"/></xsl:when>
      <xsl:when test="contains($upper, $first)">
        <func:result select="concat(' ', translate($first, $upper, $lower), f:spaced(substring($name, 2)))"/>
      </xsl:when>
      <xsl:otherwise><func:result select="concat($first, f:spaced(substring($name, 2)))"/></xsl:otherwise>
    </xsl:choose>
  </func:function>

  <xsl:template name="glyph">
    <xsl:param name="tone"/>
    <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <use href="#g-{$tone}"/>
    </svg>
  </xsl:template>
  <xsl:template name="state">
    <xsl:param name="state" select="t:state"/>
    <xsl:param name="mark" select="''"/>
    <span class="state s-{f:tone($state)}">
      <xsl:call-template name="glyph"><xsl:with-param name="tone" select="f:tone($state)"/></xsl:call-template>
      <span class="word"><xsl:value-of select="f:words($state)"/></span>
    </span>
    <xsl:if test="string($mark)">
      <xsl:text> </xsl:text>
      <span class="mark"><xsl:value-of select="f:words($mark)"/></span>
    </xsl:if>
  </xsl:template>

  <!-- A time in UTC. The date is left out when it is today's; the script rewrites it for the
       browser's zone when the person wants that. -->
  <xsl:template name="time">
    <xsl:param name="at" select="."/>
    <xsl:param name="full" select="false()"/>
    <xsl:if test="string($at)">
      <xsl:variable name="utc" select="f:utc($at)"/>
      <time datetime="{$utc}">
        <xsl:if test="$full"><xsl:attribute name="class">full</xsl:attribute></xsl:if>
        <xsl:attribute name="title"><xsl:value-of select="concat(substring($utc, 1, 10), ' ', substring($utc, 12, 8), ' UTC')"/></xsl:attribute>
        <xsl:if test="$full or substring($utc, 1, 10) != substring($now, 1, 10)">
          <xsl:value-of select="substring($utc, 1, 10)"/><xsl:text> </xsl:text>
        </xsl:if>
        <xsl:value-of select="substring($utc, 12, 8)"/>
        <xsl:if test="$full"><xsl:text> UTC</xsl:text></xsl:if>
      </time>
    </xsl:if>
  </xsl:template>
  <!-- For the heading of a column of times. -->
  <xsl:template name="zone"><xsl:text> </xsl:text><span class="zone">UTC</span></xsl:template>

  <xsl:template name="order-link">
    <xsl:param name="id" select="t:id"/>
    <a class="id" href="/controller/order?id={f:encode($id)}"><xsl:value-of select="$id"/></a>
  </xsl:template>
  <!-- The cell that heads a row: the order, and beneath it what there is to say. -->
  <xsl:template name="order-cell">
    <th scope="row" class="order">
      <xsl:call-template name="order-link"/>
      <xsl:if test="string(t:title)"><xsl:text> </xsl:text><span class="quiet"><xsl:value-of select="t:title"/></span></xsl:if>
      <xsl:if test="string(t:cause)"><div class="quiet"><xsl:value-of select="t:cause"/></div></xsl:if>
    </th>
  </xsl:template>
  <xsl:template name="chain-link">
    <xsl:param name="path" select="t:chain"/>
    <xsl:if test="string($path)">
      <a class="path" href="/controller/chain?path={f:encode($path)}"><xsl:value-of select="$path"/></a>
    </xsl:if>
  </xsl:template>
  <xsl:template name="log-link">
    <xsl:param name="task"/>
    <xsl:param name="bytes" select="''"/>
    <a href="/controller/log?task={f:encode($task)}">log<span class="visually-hidden"> of <xsl:value-of select="$task"/></span></a>
    <xsl:if test="string($bytes)"><xsl:text> </xsl:text><span class="quiet"><xsl:value-of select="f:bytes($bytes)"/></span></xsl:if>
  </xsl:template>

  <xsl:template name="csrf"><input type="hidden" name="csrf" value="{$page/@csrf}"/></xsl:template>
  <!-- Where a form returns to: this very page. -->
  <xsl:template name="return">
    <input type="hidden" name="next">
      <xsl:attribute name="value">
        <xsl:value-of select="$page/@path"/>
        <xsl:if test="string($page/@query)">?<xsl:value-of select="$page/@query"/></xsl:if>
      </xsl:attribute>
    </input>
  </xsl:template>
  <xsl:template name="option">
    <xsl:param name="value"/>
    <xsl:param name="words" select="$value"/>
    <xsl:param name="current"/>
    <option value="{$value}">
      <xsl:if test="$value = $current"><xsl:attribute name="selected">selected</xsl:attribute></xsl:if>
      <xsl:value-of select="$words"/>
    </option>
  </xsl:template>
  <xsl:template name="field">
    <xsl:param name="name"/>
    <xsl:param name="label"/>
    <xsl:param name="type" select="'text'"/>
    <xsl:param name="value" select="f:query($name)"/>
    <xsl:param name="hint" select="''"/>
    <label class="field">
      <span><xsl:value-of select="$label"/></span>
      <input type="{$type}" name="{$name}" value="{$value}">
        <xsl:if test="$hint"><xsl:attribute name="placeholder"><xsl:value-of select="$hint"/></xsl:attribute></xsl:if>
      </input>
    </label>
  </xsl:template>

  <!-- Paging by cursor: the first page, and the next one. -->
  <xsl:template name="pager">
    <xsl:param name="cursor"/>
    <xsl:param name="shown"/>
    <xsl:variable name="base" select="string($page/@filter)"/>
    <nav class="pager" aria-label="Pages">
      <span class="quiet"><xsl:value-of select="$shown"/> shown</span>
      <xsl:if test="f:query('cursor') != ''">
        <a class="button" href="{$page/@path}?{$base}" rel="first">First page</a>
      </xsl:if>
      <xsl:if test="string($cursor)">
        <a class="button" rel="next">
          <xsl:attribute name="href">
            <xsl:value-of select="concat($page/@path, '?', $base)"/>
            <xsl:if test="$base != ''">&amp;</xsl:if>
            <xsl:text>cursor=</xsl:text><xsl:value-of select="f:encode($cursor)"/>
          </xsl:attribute>
          <xsl:text>Next page</xsl:text>
        </a>
      </xsl:if>
    </nav>
  </xsl:template>
  <xsl:template name="nothing">
    <xsl:param name="text"/>
    <p class="nothing"><xsl:value-of select="$text"/></p>
  </xsl:template>
  <!-- Names and values: parameters and outputs. -->
  <xsl:template name="arguments">
    <xsl:param name="list"/>
    <dl class="arguments">
      <xsl:for-each select="$list">
        <dt><xsl:value-of select="@name"/></dt>
        <dd>
          <xsl:choose>
            <xsl:when test="@secret = 'true' or @secret = '1'"><span class="quiet">secret</span></xsl:when>
            <xsl:when test=". = ''"><span class="quiet">empty</span></xsl:when>
            <xsl:otherwise><xsl:value-of select="."/></xsl:otherwise>
          </xsl:choose>
        </dd>
      </xsl:for-each>
    </dl>
  </xsl:template>
</xsl:stylesheet>
