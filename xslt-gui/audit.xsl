<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListAuditResponse"/>
  <xsl:template match="c:page" mode="title">Audit</xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/audit" method="get" role="search" aria-label="Filter the audit">
      <xsl:call-template name="field"><xsl:with-param name="name" select="'user'"/><xsl:with-param name="label" select="'User'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'object'"/><xsl:with-param name="label" select="'Object'"/></xsl:call-template>
      <button type="submit">Filter</button>
      <xsl:if test="string($page/@filter)"><a class="button" href="/controller/audit">Clear</a></xsl:if>
    </form>
    <xsl:choose>
      <xsl:when test="not($answer/sup:entry)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'Nobody has done anything that matches.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Audit"><table class="rows">
          <thead><tr><th scope="col">At<xsl:call-template name="zone"/></th><th scope="col">User</th><th scope="col">From</th><th scope="col">Operation</th><th scope="col">Object</th><th scope="col">Outcome</th><th scope="col">Reason</th><th scope="col">Text</th><th scope="col">Logged under</th></tr></thead>
          <tbody>
            <xsl:for-each select="$answer/sup:entry">
              <tr>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="sup:at"/></xsl:call-template></td>
                <th scope="row"><xsl:value-of select="sup:user"/></th>
                <td><xsl:value-of select="sup:from"/></td>
                <td><xsl:value-of select="sup:operation"/></td>
                <td class="break"><span class="id"><xsl:value-of select="sup:object"/></span></td>
                <td><xsl:call-template name="state"><xsl:with-param name="state" select="sup:outcome"/></xsl:call-template></td>
                <td class="sentence"><xsl:value-of select="sup:reason"/></td>
                <td class="sentence"><xsl:value-of select="sup:text"/></td>
                <td class="id quiet"><xsl:value-of select="sup:correlation"/></td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
        <xsl:call-template name="pager"><xsl:with-param name="cursor" select="$answer/sup:cursor"/><xsl:with-param name="shown" select="count($answer/sup:entry)"/></xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
