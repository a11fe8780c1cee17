<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:GetOverviewResponse"/>
  <xsl:template match="c:page" mode="title">Overview</xsl:template>
  <xsl:template match="c:page" mode="content">
    <section aria-labelledby="today">
      <h2 id="today">Plan day <xsl:value-of select="$answer/sup:planDay"/></h2>
      <xsl:choose>
        <xsl:when test="not($answer/sup:today[sup:count &gt; 0])">
          <xsl:call-template name="nothing"><xsl:with-param name="text" select="'No orders on this day yet.'"/></xsl:call-template>
        </xsl:when>
        <xsl:otherwise>
          <ul class="tiles">
            <xsl:for-each select="$answer/sup:today[sup:count &gt; 0]">
              <li>
                <a class="tile" href="/controller/orders?state={f:encode(sup:state)}&amp;day={$answer/sup:planDay}">
                  <span class="number"><xsl:value-of select="sup:count"/></span>
                  <xsl:call-template name="state"><xsl:with-param name="state" select="sup:state"/></xsl:call-template>
                </a>
              </li>
            </xsl:for-each>
          </ul>
        </xsl:otherwise>
      </xsl:choose>
    </section>
    <div class="columns uneven">
      <section class="panel wide" aria-labelledby="problems">
        <h2 id="problems">Needs attention <span class="count"><xsl:value-of select="count($answer/sup:problem)"/></span></h2>
        <xsl:choose>
          <xsl:when test="not($answer/sup:problem)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'Nothing failed, nothing is late, nothing is in doubt.'"/></xsl:call-template></xsl:when>
          <xsl:otherwise>
            <div class="scroll" tabindex="0" role="region" aria-labelledby="problems"><table>
              <thead><tr><th scope="col">State</th><th scope="col">Order</th><th scope="col">Chain</th><th scope="col">Planned<xsl:call-template name="zone"/></th><th scope="col">Cause</th></tr></thead>
              <tbody>
                <xsl:for-each select="$answer/sup:problem">
                  <tr>
                    <td><xsl:call-template name="state"><xsl:with-param name="mark" select="t:mark"/></xsl:call-template></td>
                    <td><xsl:call-template name="order-link"/></td>
                    <td><xsl:call-template name="chain-link"/></td>
                    <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:plannedAt"/></xsl:call-template></td>
                    <td class="sentence"><xsl:value-of select="t:cause"/></td>
                  </tr>
                </xsl:for-each>
              </tbody>
            </table></div>
          </xsl:otherwise>
        </xsl:choose>
      </section>
      <section class="panel wide" aria-labelledby="running">
        <h2 id="running">Running now <span class="count"><xsl:value-of select="count($answer/sup:running)"/></span></h2>
        <xsl:choose>
          <xsl:when test="not($answer/sup:running)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No order is running.'"/></xsl:call-template></xsl:when>
          <xsl:otherwise>
            <div class="scroll" tabindex="0" role="region" aria-labelledby="running"><table>
              <thead><tr><th scope="col">State</th><th scope="col">Order</th><th scope="col">Chain</th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col" class="num">Running for</th><th scope="col" class="num">Usually</th><th scope="col">Nodes</th></tr></thead>
              <tbody>
                <xsl:for-each select="$answer/sup:running">
                  <tr>
                    <td><xsl:call-template name="state"><xsl:with-param name="mark" select="t:mark"/></xsl:call-template></td>
                    <td><xsl:call-template name="order-link"/></td>
                    <td><xsl:call-template name="chain-link"/></td>
                    <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
                    <td class="num">
                      <xsl:value-of select="f:between(t:startedAt, '')"/>
                      <xsl:if test="t:expectedMs &gt; 0 and (f:seconds($now) - f:seconds(t:startedAt)) * 1000 &gt; t:expectedMs * 1.5"><xsl:text> </xsl:text><span class="late">longer than usual</span></xsl:if>
                    </td>
                    <td class="num"><xsl:value-of select="f:ms(t:expectedMs)"/></td>
                    <td><xsl:call-template name="progress"/></td>
                  </tr>
                </xsl:for-each>
              </tbody>
            </table></div>
          </xsl:otherwise>
        </xsl:choose>
      </section>
      <section class="panel" aria-labelledby="next">
        <h2 id="next">Next starts</h2>
        <xsl:choose>
          <xsl:when test="not($answer/sup:next)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'Nothing is planned for the next 24 hours.'"/></xsl:call-template></xsl:when>
          <xsl:otherwise>
            <div class="scroll" tabindex="0" role="region" aria-labelledby="next"><table>
              <thead><tr><th scope="col">Planned<xsl:call-template name="zone"/></th><th scope="col" class="num">In</th><th scope="col">Order</th><th scope="col">Chain</th></tr></thead>
              <tbody>
                <xsl:for-each select="$answer/sup:next">
                  <tr>
                    <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:plannedAt"/></xsl:call-template></td>
                    <td class="num"><xsl:value-of select="f:between($now, t:plannedAt)"/></td>
                    <td><xsl:call-template name="order-link"/></td>
                    <td><xsl:call-template name="chain-link"/></td>
                  </tr>
                </xsl:for-each>
              </tbody>
            </table></div>
          </xsl:otherwise>
        </xsl:choose>
      </section>
      <section class="panel" aria-labelledby="health">
        <h2 id="health">Masters and agents</h2>
        <div class="scroll" tabindex="0" role="region" aria-labelledby="health"><table>
          <thead><tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Leads</th><th scope="col" class="num">Members up</th><th scope="col" class="num">Behind</th></tr></thead>
          <tbody>
            <xsl:for-each select="$answer/sup:master | $answer/sup:cluster">
              <tr>
                <td><a class="path" href="/controller/clusters#{f:encode(t:path)}"><xsl:value-of select="t:path"/></a><xsl:if test="self::sup:master"><span class="quiet"> Master</span></xsl:if></td>
                <td><xsl:call-template name="state"/></td>
                <td><xsl:value-of select="t:member[t:role = 'leader'][1]/t:name"/></td>
                <td class="num"><xsl:value-of select="count(t:member[t:state = 'up'])"/> of <xsl:value-of select="count(t:member)"/></td>
                <td class="num"><xsl:if test="t:commitIndex and t:acknowledged"><xsl:value-of select="t:commitIndex - t:acknowledged"/></xsl:if></td>
              </tr>
            </xsl:for-each>
            <xsl:if test="not($answer/sup:master | $answer/sup:cluster)"><tr><td colspan="5" class="nothing">No Master has been seen yet.</td></tr></xsl:if>
          </tbody>
        </table></div>
      </section>
    </div>
  </xsl:template>
  <xsl:template name="progress">
    <xsl:if test="t:nodes &gt; 0">
      <progress value="{t:nodesDone}" max="{t:nodes}"><xsl:value-of select="t:nodesDone"/> of <xsl:value-of select="t:nodes"/></progress>
      <span class="quiet"><xsl:text> </xsl:text><xsl:value-of select="t:nodesDone"/>/<xsl:value-of select="t:nodes"/></span>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
