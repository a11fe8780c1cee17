<?xml version="1.0" encoding="UTF-8"?>
<!-- What the importers' style sheets share: parameters, and templates for objects that both make. A sheet
     makes one <i:imported> with <i:object file="..."> around each document, and an <i:note from="" object=""
     verdict="maps|differs|lost"> for each thing that a person should know. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:i="urn:horarium:import:1"
                xmlns="urn:horarium:configuration:1" exclude-result-prefixes="i">
  <xsl:output method="xml" encoding="UTF-8" indent="no"/>

  <xsl:param name="agentCluster"/>      <!-- path; empty: one is written -->
  <xsl:param name="folder"/>            <!-- of the configuration, without slashes around it; may be empty -->
  <xsl:param name="zone">Etc/UTC</xsl:param>
  <xsl:param name="user"/>              <!-- who jobs run as; empty: as the runner does -->

  <xsl:variable name="below">
    <xsl:if test="$folder != ''"><xsl:value-of select="$folder"/>/</xsl:if>
  </xsl:variable>
  <xsl:variable name="cluster">
    <xsl:choose>
      <xsl:when test="$agentCluster != ''"><xsl:value-of select="$agentCluster"/></xsl:when>
      <xsl:otherwise>/<xsl:value-of select="$below"/>agents</xsl:otherwise>
    </xsl:choose>
  </xsl:variable>

  <xsl:template name="note">
    <xsl:param name="from"/>
    <xsl:param name="object"/>
    <xsl:param name="verdict"/>
    <xsl:param name="text"/>
    <i:note from="{$from}" object="{$object}" verdict="{$verdict}"><xsl:value-of select="normalize-space($text)"/></i:note>
  </xsl:template>

  <!-- A cluster of one agent on this machine, so that the folder can be released at once. -->
  <xsl:template name="agent-cluster">
    <xsl:if test="$agentCluster = ''">
      <i:object file="{$below}agents.agentCluster.xml">
        <agentCluster title="Imported"><member name="a1" url="https://127.0.0.1:4451"/></agentCluster>
      </i:object>
      <xsl:call-template name="note">
        <xsl:with-param name="object" select="$cluster"/>
        <xsl:with-param name="verdict">differs</xsl:with-param>
        <xsl:with-param name="text">one agent at 127.0.0.1:4451 is assumed: write the real members in, or name a cluster with --agent-cluster</xsl:with-param>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>

  <!-- Text that is no expression: braces are doubled. -->
  <xsl:template name="literal">
    <xsl:param name="text"/>
    <xsl:choose>
      <xsl:when test="not(contains($text, '{')) and not(contains($text, '}'))"><xsl:value-of select="$text"/></xsl:when>
      <xsl:otherwise>
        <xsl:variable name="before" select="substring-before(translate($text, '}', '{'), '{')"/>
        <xsl:variable name="at" select="string-length($before) + 1"/>
        <xsl:value-of select="substring($text, 1, $at)"/>
        <xsl:value-of select="substring($text, $at, 1)"/>
        <xsl:call-template name="literal"><xsl:with-param name="text" select="substring($text, $at + 1)"/></xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- At most 200 characters of one line: a title. -->
  <xsl:template name="title">
    <xsl:param name="text"/>
    <xsl:variable name="line" select="normalize-space(substring-before(concat($text, '&#10;'), '&#10;'))"/>
    <xsl:if test="$line != ''"><xsl:attribute name="title"><xsl:value-of select="substring($line, 1, 200)"/></xsl:attribute></xsl:if>
  </xsl:template>
</xsl:stylesheet>
