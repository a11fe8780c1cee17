<?xml version="1.0" encoding="UTF-8"?>
<!-- Orders and tasks as comma-separated values (RFC 4180). A cell that a spreadsheet would take for
     a formula gets an apostrophe in front. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1">
  <xsl:output method="text" encoding="UTF-8" media-type="text/csv"/>
  <xsl:variable name="end" select="'&#13;&#10;'"/>
  <xsl:template match="/c:page">
    <xsl:choose>
      <xsl:when test="c:response/sup:ListTasksResponse">
        <xsl:text>id,order,chain,node,job,attempt,agent,cluster,state,outcome,exitCode,signal,startedAt,endedAt,cpuMs,maxRssKb,logBytes,cause</xsl:text><xsl:value-of select="$end"/>
        <xsl:for-each select="c:response/sup:ListTasksResponse/sup:task">
          <xsl:call-template name="row"><xsl:with-param name="names" select="'id order chain node job attempt agent cluster state outcome exitCode signal startedAt endedAt cpuMs maxRssKb logBytes cause '"/></xsl:call-template>
        </xsl:for-each>
      </xsl:when>
      <xsl:otherwise>
        <xsl:text>id,chain,title,state,master,cluster,release,planDay,schedule,plannedAt,startedAt,endedAt,priority,cause</xsl:text><xsl:value-of select="$end"/>
        <xsl:for-each select="c:response/sup:ListOrdersResponse/sup:order">
          <xsl:call-template name="row"><xsl:with-param name="names" select="'id chain title state master cluster release planDay schedule plannedAt startedAt endedAt priority cause '"/></xsl:call-template>
        </xsl:for-each>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="row">
    <xsl:param name="names"/>
    <xsl:variable name="name" select="substring-before($names, ' ')"/>
    <xsl:variable name="rest" select="substring-after($names, ' ')"/>
    <xsl:variable name="text" select="string(t:*[local-name() = $name])"/>
    <xsl:text>"</xsl:text>
    <xsl:if test="$text != '' and string(number($text)) = 'NaN' and contains('=+-@&#9;&#13;', substring($text, 1, 1))">'</xsl:if>
    <xsl:call-template name="double"><xsl:with-param name="text" select="$text"/></xsl:call-template>
    <xsl:text>"</xsl:text>
    <xsl:choose>
      <xsl:when test="$rest != ''"><xsl:text>,</xsl:text><xsl:call-template name="row"><xsl:with-param name="names" select="$rest"/></xsl:call-template></xsl:when>
      <xsl:otherwise><xsl:value-of select="$end"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="double">
    <xsl:param name="text"/>
    <xsl:choose>
      <xsl:when test="contains($text, '&quot;')">
        <xsl:value-of select="concat(substring-before($text, '&quot;'), '&quot;&quot;')"/>
        <xsl:call-template name="double"><xsl:with-param name="text" select="substring-after($text, '&quot;')"/></xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
