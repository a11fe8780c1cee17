<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListObjectsResponse"/>
  <xsl:variable name="release" select="f:query('release')"/>
  <xsl:variable name="text" select="f:query('text')"/>
  <xsl:variable name="shown" select="$answer/sup:object[$text = '' or contains(sup:path, $text) or contains(sup:title, $text) or sup:kind = $text]"/>
  <xsl:template match="c:page" mode="title">
    <xsl:choose><xsl:when test="$release != ''">Objects of release <xsl:value-of select="$release"/></xsl:when><xsl:otherwise>Objects of the draft</xsl:otherwise></xsl:choose>
  </xsl:template>
  <xsl:template match="c:page" mode="tools"><a class="button" href="/controller/validation">Validate the draft</a><a class="button" href="/controller/releases">Releases</a></xsl:template>
  <xsl:template match="c:page" mode="content">
    <form class="filters" action="/controller/configuration" method="get" role="search" aria-label="Filter objects">
      <xsl:call-template name="field"><xsl:with-param name="name" select="'folder'"/><xsl:with-param name="label" select="'Folder'"/><xsl:with-param name="hint" select="'/'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'text'"/><xsl:with-param name="label" select="'Path, title or kind'"/></xsl:call-template>
      <xsl:call-template name="field"><xsl:with-param name="name" select="'release'"/><xsl:with-param name="label" select="'Release (empty: draft)'"/></xsl:call-template>
      <button type="submit">Show</button>
    </form>
    <xsl:choose>
      <xsl:when test="not($shown)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'There is no object here.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Objects"><table class="rows">
          <thead><tr><th scope="col">Path</th><th scope="col">Kind</th><th scope="col">Title</th><th scope="col">File</th></tr></thead>
          <tbody>
            <xsl:for-each select="$shown">
              <xsl:sort select="sup:path"/>
              <xsl:sort select="sup:kind"/>
              <tr>
                <th scope="row">
                  <a class="path" href="/controller/object?path={f:encode(sup:path)}&amp;kind={f:encode(sup:kind)}">
                    <xsl:if test="$release != ''"><xsl:attribute name="href"><xsl:value-of select="concat('/controller/object?path=', f:encode(sup:path), '&amp;kind=', f:encode(sup:kind), '&amp;release=', f:encode($release))"/></xsl:attribute></xsl:if>
                    <xsl:value-of select="sup:path"/>
                  </a>
                </th>
                <td><xsl:value-of select="f:spaced(sup:kind)"/></td>
                <td class="sentence"><xsl:value-of select="sup:title"/></td>
                <td class="quiet break"><xsl:value-of select="sup:file"/></td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
        <p class="quiet"><xsl:value-of select="count($shown)"/> objects</p>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
