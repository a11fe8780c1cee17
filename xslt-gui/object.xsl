<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                xmlns:str="http://exslt.org/strings" extension-element-prefixes="str"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="object" select="/c:page/c:response/sup:GetObjectResponse"/>
  <xsl:template match="c:page" mode="title"><span class="path"><xsl:value-of select="f:query('path')"/></span></xsl:template>
  <xsl:template match="c:page" mode="tools">
    <xsl:if test="$object/sup:object/sup:kind = 'jobChain'"><a class="button" href="/controller/chain?path={f:encode($object/sup:object/sup:path)}">Chain</a></xsl:if>
    <a class="button" href="/controller/configuration">Objects</a>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <xsl:for-each select="$object/sup:object">
      <dl class="facts">
        <div><dt>Kind</dt><dd><xsl:value-of select="f:spaced(sup:kind)"/></dd></div>
        <div><dt>Taken from</dt><dd><xsl:choose><xsl:when test="f:query('release') != ''"><a href="/controller/release?number={f:encode(f:query('release'))}">release <xsl:value-of select="f:query('release')"/></a></xsl:when><xsl:otherwise>the draft</xsl:otherwise></xsl:choose></dd></div>
        <xsl:if test="string(sup:file)"><div><dt>File</dt><dd class="break"><xsl:value-of select="sup:file"/></dd></div></xsl:if>
      </dl>
      <xsl:if test="string(sup:title)"><p class="lead"><xsl:value-of select="sup:title"/></p></xsl:if>
    </xsl:for-each>
    <ol class="log source" tabindex="0" aria-label="Source">
      <xsl:for-each select="str:split(translate($object/sup:source, '&#13;', ''), '&#10;')">
        <li id="l{position()}"><a class="n" href="#l{position()}" aria-label="Link to line {position()}"><xsl:value-of select="position()"/></a><code><xsl:value-of select="."/></code></li>
      </xsl:for-each>
    </ol>
  </xsl:template>
</xsl:stylesheet>
