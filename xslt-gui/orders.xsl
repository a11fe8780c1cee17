<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListOrdersResponse"/>
  <xsl:template match="c:page" mode="title">Orders</xsl:template>
  <xsl:template match="c:page" mode="tools"><a class="button" href="/controller/chains">Start an order</a></xsl:template>
  <xsl:template match="c:page" mode="content">
    <nav class="chips" aria-label="Often used filters">
      <xsl:call-template name="chip"><xsl:with-param name="state" select="'active'"/><xsl:with-param name="words" select="'Active'"/></xsl:call-template>
      <xsl:call-template name="chip"><xsl:with-param name="state" select="'problem'"/><xsl:with-param name="words" select="'Problems'"/></xsl:call-template>
      <xsl:call-template name="chip"><xsl:with-param name="state" select="'waiting'"/><xsl:with-param name="words" select="'Waiting'"/></xsl:call-template>
      <xsl:call-template name="chip"><xsl:with-param name="state" select="'ended'"/><xsl:with-param name="words" select="'Ended'"/></xsl:call-template>
      <a class="chip" href="/controller/orders?day={substring($now, 1, 10)}"><xsl:if test="f:query('day') = substring($now, 1, 10)"><xsl:attribute name="aria-current">true</xsl:attribute></xsl:if>Today</a>
      <a class="chip" href="/controller/orders?state="><xsl:if test="$page/@filter = ''"><xsl:attribute name="aria-current">true</xsl:attribute></xsl:if>All</a>
    </nav>
    <form class="filters" action="/controller/orders" method="get" role="search" aria-label="Filter orders">
      <label class="field"><span>State</span>
        <select name="state">
          <option value="">any</option>
          <optgroup label="Groups">
            <xsl:call-template name="option"><xsl:with-param name="value" select="'active'"/><xsl:with-param name="current" select="f:query('state')"/></xsl:call-template>
            <xsl:call-template name="option"><xsl:with-param name="value" select="'waiting'"/><xsl:with-param name="current" select="f:query('state')"/></xsl:call-template>
            <xsl:call-template name="option"><xsl:with-param name="value" select="'problem'"/><xsl:with-param name="current" select="f:query('state')"/></xsl:call-template>
            <xsl:call-template name="option"><xsl:with-param name="value" select="'ended'"/><xsl:with-param name="current" select="f:query('state')"/></xsl:call-template>
          </optgroup>
          <optgroup label="States">
            <xsl:for-each select="$states[position() &lt;= 16][not(@n = 'waiting' or @n = 'ready' or @n = 'assigned')]">
              <xsl:call-template name="option"><xsl:with-param name="value" select="@n"/><xsl:with-param name="words" select="@w"/><xsl:with-param name="current" select="f:query('state')"/></xsl:call-template>
            </xsl:for-each>
          </optgroup>
        </select>
      </label>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'chain'"/><xsl:with-param name="label" select="'Chain'"/><xsl:with-param name="hint" select="'/finance/eod'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'text'"/><xsl:with-param name="label" select="'Text'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'day'"/><xsl:with-param name="label" select="'Plan day'"/><xsl:with-param name="type" select="'date'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'agent'"/><xsl:with-param name="label" select="'Agent'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'master'"/><xsl:with-param name="label" select="'Master'"/></xsl:call-template>
      <button type="submit">Filter</button>
      <xsl:if test="string($page/@filter)"><a class="button" href="/controller/orders">Clear</a></xsl:if>
    </form>
    <xsl:choose>
      <xsl:when test="not($answer/sup:order)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No order matches.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <form action="/controller/do/control-orders" method="post">
          <xsl:call-template name="csrf"/>
          <xsl:call-template name="return"/>
          <xsl:for-each select="$page/c:query/c:value[@name != 'cursor' and @name != 'limit' and @name != 'message']">
            <input type="hidden" name="filter-{@name}" value="{.}"/>
          </xsl:for-each>
          <div class="scroll" tabindex="0" role="region" aria-label="Orders"><table class="rows">
            <thead><tr>
              <th scope="col" class="check"><span class="visually-hidden">Selected</span></th>
              <th scope="col">State</th><th scope="col">Order</th><th scope="col">Chain</th>
              <th scope="col">Planned<xsl:call-template name="zone"/></th><th scope="col">Started<xsl:call-template name="zone"/></th>
              <th scope="col" class="num">Duration</th><th scope="col">Nodes</th><th scope="col">Cluster</th>
            </tr></thead>
            <tbody><xsl:apply-templates select="$answer/sup:order"/></tbody>
          </table></div>
          <xsl:if test="f:may('order.control')">
            <fieldset class="toolbar">
              <legend>Action on orders</legend>
              <label class="field"><span>Action</span>
                <select name="action">
                  <option value="start">start now</option><option value="suspend">suspend</option><option value="resume">resume</option>
                  <option value="retry">retry failed nodes</option><option value="cancel">cancel</option><option value="kill">kill</option>
                </select>
              </label>
              <label class="field grow"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
              <button type="submit" name="scope" value="selected">Preview for selected</button>
              <button type="submit" name="scope" value="filter">Preview for all that match</button>
            </fieldset>
          </xsl:if>
        </form>
        <xsl:call-template name="pager"><xsl:with-param name="cursor" select="$answer/sup:cursor"/><xsl:with-param name="shown" select="count($answer/sup:order)"/></xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="chip">
    <xsl:param name="state"/>
    <xsl:param name="words"/>
    <a class="chip" href="/controller/orders?state={$state}">
      <xsl:if test="f:query('state') = $state"><xsl:attribute name="aria-current">true</xsl:attribute></xsl:if>
      <xsl:value-of select="$words"/>
    </a>
  </xsl:template>
  <xsl:template match="sup:order">
    <tr>
      <td class="check"><label><span class="visually-hidden">Select <xsl:value-of select="t:id"/></span><input type="checkbox" name="order" value="{t:id}"/></label></td>
      <td><xsl:call-template name="state"><xsl:with-param name="mark" select="t:mark"/></xsl:call-template></td>
      <xsl:call-template name="order-cell"/>
      <td><xsl:call-template name="chain-link"/></td>
      <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:plannedAt"/></xsl:call-template></td>
      <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
      <td class="num"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></td>
      <td><xsl:if test="t:nodes &gt; 0"><span class="quiet"><xsl:value-of select="t:nodesDone"/>/<xsl:value-of select="t:nodes"/></span></xsl:if></td>
      <td><span class="path"><xsl:value-of select="t:cluster"/></span></td>
    </tr>
  </xsl:template>
</xsl:stylesheet>
