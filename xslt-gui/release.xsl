<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="number" select="f:query('number')"/>
  <xsl:variable name="release" select="/c:page/c:response/sup:ListReleasesResponse/sup:release[t:number = $number]"/>
  <xsl:variable name="difference" select="/c:page/c:response/sup:GetReleaseDifferenceResponse/sup:difference"/>
  <xsl:variable name="other" select="/c:page/@against"/>
  <xsl:template match="c:page" mode="title">Release <xsl:value-of select="$number"/></xsl:template>
  <xsl:template match="c:page" mode="tools"><a class="button" href="/controller/releases">Releases</a><a class="button" href="/controller/configuration?release={f:encode($number)}">Objects</a></xsl:template>
  <xsl:template match="c:page" mode="content">
    <xsl:for-each select="$release">
      <dl class="facts">
        <div><dt>State</dt><dd><xsl:call-template name="state"/></dd></div>
        <div><dt>Objects</dt><dd><xsl:value-of select="t:objects"/></dd></div>
        <div><dt>Author</dt><dd><xsl:value-of select="t:author"/></dd></div>
        <div><dt>Created</dt><dd><xsl:call-template name="time"><xsl:with-param name="at" select="t:createdAt"/><xsl:with-param name="full" select="true()"/></xsl:call-template></dd></div>
        <xsl:if test="string(t:approver)"><div><dt>Approved</dt><dd><xsl:value-of select="t:approver"/><xsl:text> </xsl:text><xsl:call-template name="time"><xsl:with-param name="at" select="t:approvedAt"/><xsl:with-param name="full" select="true()"/></xsl:call-template></dd></div></xsl:if>
        <xsl:if test="string(t:revision)"><div><dt>Revision</dt><dd class="id"><xsl:value-of select="t:revision"/></dd></div></xsl:if>
        <div><dt>SHA-256</dt><dd class="id break"><xsl:value-of select="t:sha256"/></dd></div>
      </dl>
      <xsl:if test="string(t:reason)"><p class="lead"><xsl:value-of select="t:reason"/></p></xsl:if>
      <xsl:if test="t:deployment">
        <div class="scroll" tabindex="0" role="region" aria-label="Masters"><table>
          <thead><tr><th scope="col">Master</th><th scope="col">State</th><th scope="col">At<xsl:call-template name="zone"/></th><th scope="col">Text</th></tr></thead>
          <tbody><xsl:for-each select="t:deployment"><tr><th scope="row"><xsl:value-of select="t:master"/></th><td><xsl:call-template name="state"/></td><td><xsl:call-template name="time"><xsl:with-param name="at" select="t:at"/></xsl:call-template></td><td class="sentence"><xsl:value-of select="t:text"/></td></tr></xsl:for-each></tbody>
        </table></div>
      </xsl:if>
    </xsl:for-each>
    <section aria-labelledby="difference">
      <h2 id="difference">
        <xsl:choose>
          <xsl:when test="f:query('to') = 'draft'">What the draft changes</xsl:when>
          <xsl:when test="f:query('from') != ''">Changes since release <xsl:value-of select="f:query('from')"/></xsl:when>
          <xsl:otherwise>Changes since the release before</xsl:otherwise>
        </xsl:choose>
        <span class="count"><xsl:value-of select="count($difference)"/></span>
      </h2>
      <xsl:if test="not($difference)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No object differs.'"/></xsl:call-template></xsl:if>
      <xsl:for-each select="$difference">
        <details class="difference" open="open">
          <summary><xsl:call-template name="state"><xsl:with-param name="state" select="sup:change"/></xsl:call-template><xsl:text> </xsl:text><span class="path"><xsl:value-of select="sup:path"/></span><xsl:text> </xsl:text><span class="quiet"><xsl:value-of select="sup:kind"/></span></summary>
          <div class="sides">
            <xsl:if test="sup:before"><figure><figcaption>Before</figcaption><pre tabindex="0"><xsl:value-of select="sup:before"/></pre></figure></xsl:if>
            <xsl:if test="sup:after"><figure><figcaption>After</figcaption><pre tabindex="0"><xsl:value-of select="sup:after"/></pre></figure></xsl:if>
          </div>
        </details>
      </xsl:for-each>
    </section>
  </xsl:template>
</xsl:stylesheet>
