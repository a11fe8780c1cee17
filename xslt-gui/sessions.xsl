<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListSessionsResponse"/>
  <xsl:variable name="who" select="/c:page/c:who/sup:WhoAmIResponse"/>
  <xsl:template match="c:page" mode="title">Sessions</xsl:template>
  <xsl:template match="c:page" mode="content">
    <section class="panel" aria-labelledby="me">
      <h2 id="me">You are <xsl:value-of select="$page/@user"/></h2>
      <dl class="facts">
        <div><dt>Roles</dt><dd><xsl:for-each select="$who/sup:role"><xsl:if test="position() &gt; 1">, </xsl:if><xsl:value-of select="."/></xsl:for-each><xsl:if test="not($who/sup:role)">none</xsl:if></dd></div>
        <div><dt>Rights</dt><dd><xsl:for-each select="$who/sup:right"><xsl:if test="position() &gt; 1">, </xsl:if><span class="id"><xsl:value-of select="."/></span></xsl:for-each><xsl:if test="not($who/sup:right)">none</xsl:if></dd></div>
      </dl>
    </section>
    <div class="scroll" tabindex="0" role="region" aria-label="Sessions"><table class="rows">
      <thead><tr><th scope="col">User</th><th scope="col">From</th><th scope="col">Since<xsl:call-template name="zone"/></th><th scope="col">Last used<xsl:call-template name="zone"/></th><th scope="col">Actions</th></tr></thead>
      <tbody>
        <xsl:for-each select="$answer/sup:session">
          <tr>
            <th scope="row"><xsl:value-of select="sup:user"/></th>
            <td><xsl:value-of select="sup:from"/></td>
            <td><xsl:call-template name="time"><xsl:with-param name="at" select="sup:startedAt"/></xsl:call-template></td>
            <td><xsl:call-template name="time"><xsl:with-param name="at" select="sup:lastUsedAt"/></xsl:call-template></td>
            <td>
              <xsl:choose>
                <xsl:when test="sup:current = 'true' or sup:current = '1'"><span class="quiet">this one</span></xsl:when>
                <xsl:otherwise>
                  <form action="/controller/do/end-session" method="post"><xsl:call-template name="csrf"/><xsl:call-template name="return"/><input type="hidden" name="id" value="{sup:id}"/><button type="submit">End<span class="visually-hidden"> the session of <xsl:value-of select="sup:user"/></span></button></form>
                </xsl:otherwise>
              </xsl:choose>
            </td>
          </tr>
        </xsl:for-each>
      </tbody>
    </table></div>
  </xsl:template>
</xsl:stylesheet>
