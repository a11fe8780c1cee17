<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="path" select="f:query('path')"/>
  <xsl:variable name="chain" select="/c:page/c:response/sup:ListChainsResponse/sup:chain[sup:path = $path]"/>
  <xsl:variable name="runs" select="/c:page/c:response/sup:ListOrdersResponse/sup:order"/>
  <xsl:variable name="held" select="$chain/sup:held = 'true' or $chain/sup:held = '1'"/>
  <xsl:template match="c:page" mode="title"><span class="path"><xsl:value-of select="$path"/></span></xsl:template>
  <xsl:template match="c:page" mode="tools">
    <a class="button" href="/controller/object?path={f:encode($path)}&amp;kind=jobChain">Source</a>
    <a class="button" href="/controller/orders?chain={f:encode($path)}">All orders</a>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <xsl:choose>
      <xsl:when test="not($chain)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'This chain is not deployed, or you may not see it.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <xsl:if test="string($chain/sup:title)"><p class="lead"><xsl:value-of select="$chain/sup:title"/></p></xsl:if>
        <dl class="facts">
          <div><dt>Hold</dt><dd><xsl:choose><xsl:when test="$held"><xsl:call-template name="state"><xsl:with-param name="state" select="'held'"/></xsl:call-template></xsl:when><xsl:otherwise>not held</xsl:otherwise></xsl:choose></dd></div>
          <div><dt>Runs on</dt><dd><span class="path"><xsl:value-of select="$chain/sup:cluster"/></span></dd></div>
          <div><dt>Nodes</dt><dd><xsl:value-of select="$chain/sup:nodes"/></dd></div>
          <xsl:if test="string($chain/sup:lastState)"><div><dt>Last run</dt><dd><xsl:call-template name="state"><xsl:with-param name="state" select="$chain/sup:lastState"/></xsl:call-template></dd></div></xsl:if>
          <div><dt>Next start</dt><dd><xsl:choose><xsl:when test="string($chain/sup:nextAt)"><xsl:call-template name="time"><xsl:with-param name="at" select="$chain/sup:nextAt"/><xsl:with-param name="full" select="true()"/></xsl:call-template></xsl:when><xsl:otherwise>none planned</xsl:otherwise></xsl:choose></dd></div>
        </dl>
        <div class="columns">
          <xsl:if test="f:may('order.add')">
            <section class="panel" aria-labelledby="start">
              <h2 id="start">Start an order</h2>
              <form action="/controller/do/add-order" method="post" class="stack">
                <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
                <input type="hidden" name="request" value="{$page/@request}"/>
                <input type="hidden" name="chain" value="{$path}"/>
                <xsl:for-each select="$chain/sup:parameter">
                  <input type="hidden" name="argument-name" value="{@name}"/>
                  <label class="field"><span><xsl:value-of select="@name"/></span>
                    <input name="argument-value" type="text" value="{.}">
                      <xsl:if test="@secret = 'true' or @secret = '1'"><xsl:attribute name="type">password</xsl:attribute><xsl:attribute name="autocomplete">off</xsl:attribute><xsl:attribute name="value"/></xsl:if>
                    </input>
                  </label>
                </xsl:for-each>
                <label class="field"><span>Title</span><input type="text" name="title" maxlength="200"/></label>
                <label class="field"><span>Start at (UTC; empty: now)</span><input type="datetime-local" name="start-at" step="1"/></label>
                <label class="field"><span>Priority</span><input type="number" name="priority" min="-1000000" max="1000000"/></label>
                <label class="field"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
                <button type="submit" class="primary" id="start-order">Start</button>
              </form>
            </section>
          </xsl:if>
          <xsl:if test="f:may('chain.control')">
            <section class="panel" aria-labelledby="hold">
              <h2 id="hold">Hold</h2>
              <p class="quiet">While a chain is held none of its orders starts; running ones go on.</p>
              <form action="/controller/do/control-chain" method="post" class="stack">
                <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
                <input type="hidden" name="chain" value="{$path}"/>
                <label class="field"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
                <xsl:choose>
                  <xsl:when test="$held"><button type="submit" name="action" value="release">Release</button></xsl:when>
                  <xsl:otherwise><button type="submit" name="action" value="hold">Hold</button></xsl:otherwise>
                </xsl:choose>
              </form>
            </section>
          </xsl:if>
          <section class="panel wide" aria-labelledby="runs">
            <h2 id="runs">Latest orders</h2>
            <xsl:choose>
              <xsl:when test="not($runs)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No order of this chain yet.'"/></xsl:call-template></xsl:when>
              <xsl:otherwise>
                <xsl:call-template name="trend"/>
                <div class="scroll" tabindex="0" role="region" aria-labelledby="runs"><table class="rows">
                  <thead><tr><th scope="col">State</th><th scope="col">Order</th><th scope="col">Planned<xsl:call-template name="zone"/></th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col" class="num">Duration</th></tr></thead>
                  <tbody>
                    <xsl:for-each select="$runs">
                      <tr>
                        <td><xsl:call-template name="state"><xsl:with-param name="mark" select="t:mark"/></xsl:call-template></td>
                        <xsl:call-template name="order-cell"/>
                        <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:plannedAt"/></xsl:call-template></td>
                        <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
                        <td class="num"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></td>
                      </tr>
                    </xsl:for-each>
                  </tbody>
                </table></div>
              </xsl:otherwise>
            </xsl:choose>
          </section>
        </div>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <!-- How long the ended runs took, oldest at the left. -->
  <xsl:template name="trend">
    <xsl:variable name="ended" select="$runs[string(t:startedAt) and string(t:endedAt)]"/>
    <xsl:if test="count($ended) &gt; 1">
      <xsl:variable name="longest">
        <xsl:for-each select="$ended">
          <xsl:sort select="f:seconds(t:endedAt) - f:seconds(t:startedAt)" data-type="number" order="descending"/>
          <xsl:if test="position() = 1"><xsl:value-of select="f:seconds(t:endedAt) - f:seconds(t:startedAt)"/></xsl:if>
        </xsl:for-each>
      </xsl:variable>
      <xsl:variable name="top"><xsl:choose><xsl:when test="$longest &gt; 0.001"><xsl:value-of select="$longest"/></xsl:when><xsl:otherwise>0.001</xsl:otherwise></xsl:choose></xsl:variable>
      <div class="scroll" tabindex="0" role="region" aria-label="Duration of the latest orders">
      <svg class="trend" width="{count($ended) * 14 + 90}" height="84" role="img">
        <title>Duration of the latest <xsl:value-of select="count($ended)"/> ended orders, at most <xsl:value-of select="f:ms($top * 1000)"/></title>
        <line class="axis" x1="0" y1="70.5" x2="{count($ended) * 14}" y2="70.5"/>
        <line class="grid" x1="0" y1="10.5" x2="{count($ended) * 14}" y2="10.5"/>
        <text class="tick" x="{count($ended) * 14 + 6}" y="14"><xsl:value-of select="f:ms($top * 1000)"/></text>
        <text class="tick" x="{count($ended) * 14 + 6}" y="74">0</text>
        <xsl:for-each select="$ended">
          <xsl:variable name="height" select="(f:seconds(t:endedAt) - f:seconds(t:startedAt)) div $top * 60"/>
          <xsl:variable name="tall"><xsl:choose><xsl:when test="$height &lt; 2">2</xsl:when><xsl:otherwise><xsl:value-of select="format-number($height, '0.0')"/></xsl:otherwise></xsl:choose></xsl:variable>
          <a href="/controller/order?id={f:encode(t:id)}">
            <rect class="fill s-{f:tone(t:state)}" x="{(count($ended) - position()) * 14 + 2}" y="{70 - $tall}" width="10" height="{$tall}"><title><xsl:value-of select="concat(t:id, ': ', f:words(t:state), ', ', f:between(t:startedAt, t:endedAt))"/></title></rect>
          </a>
        </xsl:for-each>
      </svg>
      </div>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
