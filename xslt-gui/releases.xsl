<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:ListReleasesResponse"/>
  <xsl:template match="c:page" mode="title">Releases</xsl:template>
  <xsl:template match="c:page" mode="tools">
    <a class="button" href="/controller/validation">Validate the draft</a>
    <xsl:if test="$answer/sup:release"><a class="button" href="/controller/release?number={$answer/sup:release[1]/t:number}&amp;to=draft">Draft against release <xsl:value-of select="$answer/sup:release[1]/t:number"/></a></xsl:if>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <xsl:if test="f:may('release.create')">
      <form action="/controller/do/create-release" method="post" class="toolbar">
        <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
        <input type="hidden" name="request" value="{$page/@request}"/>
        <label class="field grow"><span>What is new</span><input type="text" name="reason" maxlength="400"/></label>
        <button type="submit" class="primary">Create a release from the draft</button>
      </form>
    </xsl:if>
    <xsl:choose>
      <xsl:when test="not($answer/sup:release)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No release yet. A release is made from the draft once that is valid.'"/></xsl:call-template></xsl:when>
      <xsl:otherwise>
        <div class="scroll" tabindex="0" role="region" aria-label="Releases"><table class="rows">
          <thead><tr><th scope="col" class="num">Release</th><th scope="col">State</th><th scope="col">Masters</th><th scope="col" class="num">Objects</th><th scope="col">Author</th><th scope="col">Created<xsl:call-template name="zone"/></th><th scope="col">Approved by</th><th scope="col">What is new</th><th scope="col">Actions</th></tr></thead>
          <tbody>
            <xsl:for-each select="$answer/sup:release">
              <tr>
                <th scope="row" class="num"><a href="/controller/release?number={t:number}"><xsl:value-of select="t:number"/></a></th>
                <td><xsl:call-template name="state"/></td>
                <td><xsl:for-each select="t:deployment"><xsl:if test="position() &gt; 1"><br/></xsl:if><xsl:value-of select="t:master"/><xsl:text> </xsl:text><xsl:call-template name="state"/></xsl:for-each></td>
                <td class="num"><xsl:value-of select="t:objects"/></td>
                <td><xsl:value-of select="t:author"/></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:createdAt"/></xsl:call-template></td>
                <td><xsl:value-of select="t:approver"/></td>
                <td class="sentence"><xsl:value-of select="t:reason"/></td>
                <td><xsl:call-template name="release-actions"/></td>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <xsl:template name="release-actions">
    <div class="row-actions">
      <xsl:if test="t:state = 'validated' and f:may('release.approve')">
        <form action="/controller/do/approve-release" method="post"><xsl:call-template name="csrf"/><xsl:call-template name="return"/><input type="hidden" name="number" value="{t:number}"/><button type="submit">Approve<span class="visually-hidden"> release <xsl:value-of select="t:number"/></span></button></form>
        <form action="/controller/do/reject-release" method="post"><xsl:call-template name="csrf"/><xsl:call-template name="return"/><input type="hidden" name="number" value="{t:number}"/><label><span class="visually-hidden">Why release <xsl:value-of select="t:number"/> is rejected</span><input type="text" name="reason" placeholder="why" required="required" maxlength="400"/></label><button type="submit">Reject</button></form>
      </xsl:if>
      <xsl:if test="(t:state = 'approved' or t:state = 'superseded' or t:state = 'deployed') and f:may('release.deploy')">
        <form action="/controller/do/deploy-release" method="post"><xsl:call-template name="csrf"/><xsl:call-template name="return"/><input type="hidden" name="number" value="{t:number}"/>
          <button type="submit"><xsl:choose><xsl:when test="t:state = 'superseded'">Roll back to this</xsl:when><xsl:when test="t:state = 'deployed'">Deploy again</xsl:when><xsl:otherwise>Deploy to all</xsl:otherwise></xsl:choose><span class="visually-hidden"> release <xsl:value-of select="t:number"/></span></button>
        </form>
      </xsl:if>
    </div>
  </xsl:template>
</xsl:stylesheet>
