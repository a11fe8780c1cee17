<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="fields" select="/c:page/c:form/c:value"/>
  <xsl:variable name="results" select="/c:page/c:response//sup:result"/>
  <xsl:variable name="ready" select="$results[t:outcome = 'wouldDo' or t:outcome = 'waiting']"/>
  <xsl:template match="c:page" mode="title">Confirm: <xsl:value-of select="f:spaced($fields[@name = 'action'])"/></xsl:template>
  <xsl:template match="c:page" mode="content">
    <p class="lead">
      <xsl:choose>
        <xsl:when test="$ready">
          <strong><xsl:value-of select="f:spaced($fields[@name = 'action'])"/></strong> would be done on <strong><xsl:value-of select="count($ready)"/></strong>
          <xsl:choose><xsl:when test="count($ready) = 1"> order</xsl:when><xsl:otherwise> orders</xsl:otherwise></xsl:choose>
          <xsl:if test="count($results) &gt; count($ready)"> and is not possible on <xsl:value-of select="count($results) - count($ready)"/></xsl:if>. Nothing has been done yet.
        </xsl:when>
        <xsl:otherwise>There is nothing that this could be done on. Nothing has been done.</xsl:otherwise>
      </xsl:choose>
    </p>
    <form action="/controller/do/{/c:page/c:form/@action}" method="post" class="toolbar">
      <xsl:call-template name="csrf"/>
      <!-- a filter is confirmed as the orders that it found: exactly what is shown here is done -->
      <xsl:for-each select="$fields[@name != 'reason' and @name != 'confirm' and @name != 'order' and @name != 'scope' and not(starts-with(@name, 'filter-'))]"><input type="hidden" name="{@name}" value="{.}"/></xsl:for-each>
      <input type="hidden" name="scope" value="selected"/>
      <xsl:for-each select="$ready"><input type="hidden" name="order" value="{t:object}"/></xsl:for-each>
      <input type="hidden" name="confirm" value="1"/>
      <input type="hidden" name="request" value="{$page/@request}"/>
      <label class="field grow"><span>Reason (kept in the audit)</span><input type="text" name="reason" maxlength="400" value="{$fields[@name = 'reason']}"/></label>
      <xsl:if test="$ready">
        <button type="submit" class="primary"><xsl:value-of select="concat(translate(substring(f:spaced($fields[@name = 'action']), 1, 1), 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'), substring(f:spaced($fields[@name = 'action']), 2))"/> now</button>
      </xsl:if>
      <a class="button" href="/controller/orders">Leave it</a>
    </form>
    <xsl:if test="$results">
      <div class="scroll" tabindex="0" role="region" aria-label="What would happen"><table>
        <thead><tr><th scope="col">Outcome</th><th scope="col">Order</th><th scope="col">Why</th></tr></thead>
        <tbody>
          <xsl:for-each select="$results">
            <xsl:sort select="t:outcome = 'wouldDo'" data-type="text"/>
            <tr>
              <td><xsl:call-template name="state"><xsl:with-param name="state" select="t:outcome"/></xsl:call-template></td>
              <th scope="row"><xsl:call-template name="order-link"><xsl:with-param name="id" select="t:object"/></xsl:call-template></th>
              <td class="sentence"><xsl:value-of select="t:text"/></td>
            </tr>
          </xsl:for-each>
        </tbody>
      </table></div>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
