<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ValidateConfigurationResponse"/>
  <xsl:template match="c:page" mode="title">Validation of the draft</xsl:template>
  <xsl:template match="c:page" mode="tools"><a class="button" href="/controller/validation">Validate again</a><a class="button" href="/controller/releases">Releases</a></xsl:template>
  <xsl:template match="c:page" mode="content">
    <p class="lead">
      <xsl:choose>
        <xsl:when test="$answer/sup:valid = 'true' or $answer/sup:valid = '1'"><xsl:call-template name="state"><xsl:with-param name="state" select="'success'"/></xsl:call-template> The draft is valid: <xsl:value-of select="$answer/sup:objects"/> objects<xsl:if test="$answer/sup:problem">, with <xsl:value-of select="count($answer/sup:problem)"/> warnings</xsl:if>.</xsl:when>
        <xsl:otherwise><xsl:call-template name="state"><xsl:with-param name="state" select="'error'"/></xsl:call-template> The draft is not valid: <xsl:value-of select="count($answer/sup:problem[t:severity = 'error'])"/> errors in <xsl:value-of select="$answer/sup:objects"/> objects. No release can be made from it.</xsl:otherwise>
      </xsl:choose>
    </p>
    <xsl:if test="$answer/sup:problem"><xsl:call-template name="problems"><xsl:with-param name="list" select="$answer/sup:problem"/></xsl:call-template></xsl:if>
  </xsl:template>
</xsl:stylesheet>
