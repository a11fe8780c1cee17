<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:GetStatusResponse"/>
  <xsl:variable name="waiting" select="/c:page/c:response/sup:ListCommandsResponse"/>
  <xsl:template match="c:page" mode="title">Masters and agents</xsl:template>
  <xsl:template match="c:page" mode="content">
    <section aria-labelledby="masters">
      <h2 id="masters">Masters</h2>
      <xsl:apply-templates select="$answer/sup:master"/>
      <xsl:if test="not($answer/sup:master)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No Master is known. Masters are named in the settings of the Supervisor.'"/></xsl:call-template></xsl:if>
    </section>
    <section aria-labelledby="clusters">
      <h2 id="clusters">Agent clusters</h2>
      <xsl:apply-templates select="$answer/sup:cluster"/>
      <xsl:if test="not($answer/sup:cluster)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No agent cluster is coupled. Clusters come with a deployed release.'"/></xsl:call-template></xsl:if>
    </section>
    <xsl:if test="$waiting/sup:command or $waiting/sup:problem"><xsl:call-template name="waiting"/></xsl:if>
  </xsl:template>
  <!-- Commands that wait until their cluster is reached. -->
  <xsl:template name="waiting">
    <section aria-labelledby="waiting">
      <h2 id="waiting">Commands that wait</h2>
      <xsl:for-each select="$waiting/sup:problem"><p class="cause"><xsl:value-of select="t:object"/>: <xsl:value-of select="t:text"/></p></xsl:for-each>
      <xsl:if test="$waiting/sup:command">
        <div class="scroll" tabindex="0" role="region" aria-labelledby="waiting"><table class="rows">
          <thead><tr><th scope="col">Action</th><th scope="col">Object</th><th scope="col">Cluster</th><th scope="col">Since<xsl:call-template name="zone"/></th><th scope="col">By</th><th scope="col">Reason</th><xsl:if test="f:may('cluster.control')"><th scope="col"><span class="visually-hidden">Action</span></th></xsl:if></tr></thead>
          <tbody>
            <xsl:for-each select="$waiting/sup:command">
              <tr>
                <td><xsl:value-of select="f:spaced(t:action)"/></td>
                <th scope="row" class="id"><xsl:value-of select="t:object"/></th>
                <td class="path"><xsl:value-of select="t:cluster"/></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:receivedAt"/></xsl:call-template></td>
                <td><xsl:value-of select="t:actor"/></td>
                <td><xsl:value-of select="t:reason"/></td>
                <xsl:if test="f:may('cluster.control')"><td>
                  <form action="/controller/do/revoke-command" method="post">
                    <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
                    <input type="hidden" name="command" value="{t:id}"/><input type="hidden" name="master" value="{t:master}"/>
                    <button type="submit">Revoke<span class="visually-hidden"> the command for <xsl:value-of select="t:object"/></span></button>
                  </form>
                </td></xsl:if>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
      </xsl:if>
    </section>
  </xsl:template>
  <!-- Of a stand-by member: leadership is passed on to it. -->
  <xsl:template name="master-action">
    <xsl:if test="t:role = 'follower' and t:state = 'up'">
      <form action="/controller/do/switch-master" method="post">
        <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
        <input type="hidden" name="member" value="{t:name}"/><input type="hidden" name="master" value="{../t:path}"/>
        <button type="submit">Make active<span class="visually-hidden">: Master <xsl:value-of select="t:name"/></span></button>
      </form>
    </xsl:if>
  </xsl:template>
  <!-- The way out when a cluster's history is gone. -->
  <xsl:template name="recouple">
    <form action="/controller/do/control-cluster" method="post" class="stack">
      <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
      <input type="hidden" name="cluster" value="{t:path}"/>
      <p>To couple anew gives up the part of its history that is gone. Orders that had not started are handed over again; what became of those that had is recorded as unknown.</p>
      <label class="field"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
      <button type="submit" name="action" value="recouple">Couple anew</button>
    </form>
  </xsl:template>
  <!-- Of a member: takes it out of use, or back into use. -->
  <xsl:template name="agent-action">
    <xsl:if test="t:role != 'witness'">
      <form action="/controller/do/control-agent" method="post">
        <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
        <input type="hidden" name="agent" value="{t:name}"/>
        <xsl:choose>
          <xsl:when test="t:state = 'draining' or t:state = 'drained'"><button type="submit" name="action" value="resume">Resume<span class="visually-hidden"> agent <xsl:value-of select="t:name"/></span></button></xsl:when>
          <xsl:otherwise><button type="submit" name="action" value="drain">Drain<span class="visually-hidden"> agent <xsl:value-of select="t:name"/></span></button></xsl:otherwise>
        </xsl:choose>
      </form>
    </xsl:if>
  </xsl:template>
  <xsl:template match="sup:master | sup:cluster">
    <section class="panel" id="{t:path}">
      <h3><span class="path"><xsl:value-of select="t:path"/></span><xsl:text> </xsl:text><xsl:call-template name="state"/></h3>
      <xsl:if test="string(t:cause)"><p class="cause"><xsl:value-of select="t:cause"/></p></xsl:if>
      <xsl:if test="self::sup:cluster and (t:state = 'unknownPartner' or t:state = 'gap') and f:may('cluster.control')"><xsl:call-template name="recouple"/></xsl:if>
      <dl class="facts">
        <xsl:if test="string(t:selection)"><div><dt>Selection</dt><dd><xsl:value-of select="f:spaced(t:selection)"/></dd></div></xsl:if>
        <xsl:if test="string(t:release)"><div><dt>Release</dt><dd><a href="/controller/release?number={t:release}"><xsl:value-of select="t:release"/></a></dd></div></xsl:if>
        <xsl:if test="string(t:orders)"><div><dt>Orders</dt><dd><xsl:value-of select="t:orders"/></dd></div></xsl:if>
        <xsl:if test="string(t:tasks)"><div><dt>Tasks running</dt><dd><xsl:value-of select="t:tasks"/></dd></div></xsl:if>
        <xsl:if test="string(t:waitingCommands)"><div><dt>Commands waiting</dt><dd><xsl:value-of select="t:waitingCommands"/></dd></div></xsl:if>
        <xsl:if test="string(t:commitIndex)"><div><dt>Journal</dt><dd><xsl:value-of select="t:commitIndex"/><xsl:if test="string(t:acknowledged)"><span class="quiet">, acknowledged up to <xsl:value-of select="t:acknowledged"/></span></xsl:if></dd></div></xsl:if>
        <xsl:if test="string(t:lastSeen)"><div><dt>Last seen</dt><dd><xsl:call-template name="time"><xsl:with-param name="at" select="t:lastSeen"/><xsl:with-param name="full" select="true()"/></xsl:call-template></dd></div></xsl:if>
        <xsl:if test="t:heldChain"><div><dt>Held chains</dt><dd><xsl:for-each select="t:heldChain"><xsl:if test="position() &gt; 1">, </xsl:if><xsl:call-template name="chain-link"><xsl:with-param name="path" select="."/></xsl:call-template></xsl:for-each></dd></div></xsl:if>
      </dl>
      <xsl:if test="t:member">
        <div class="scroll" tabindex="0" role="region" aria-label="Members"><table>
          <thead><tr><th scope="col">Member</th><th scope="col">State</th><th scope="col">Role</th><th scope="col" class="num">Tasks</th><th scope="col" class="num">Priority</th><th scope="col" class="num">Lease</th><th scope="col" class="num">Journal</th><th scope="col" class="num">Behind</th><th scope="col">Last seen<xsl:call-template name="zone"/></th><th scope="col">Version</th><th scope="col">Address</th><xsl:if test="(self::sup:cluster and f:may('agent.control')) or (self::sup:master and f:may('cluster.control'))"><th scope="col"><span class="visually-hidden">Action</span></th></xsl:if></tr></thead>
          <tbody>
            <xsl:for-each select="t:member">
              <tr>
                <th scope="row" class="id"><xsl:value-of select="t:name"/></th>
                <td><xsl:call-template name="state"/></td>
                <td><xsl:choose><xsl:when test="t:role = 'leader' and ../self::sup:master"><strong>active</strong></xsl:when><xsl:when test="t:role = 'leader'"><strong>leader</strong></xsl:when><xsl:when test="t:role = 'follower' and ../self::sup:master">standby</xsl:when><xsl:otherwise><xsl:value-of select="t:role"/></xsl:otherwise></xsl:choose></td>
                <td class="num"><xsl:value-of select="t:tasks"/><xsl:if test="t:maxTasks &gt; 0"><span class="quiet"> of <xsl:value-of select="t:maxTasks"/></span></xsl:if></td>
                <td class="num"><xsl:value-of select="t:priority"/></td>
                <td class="num"><xsl:value-of select="f:ms(t:leaseMs)"/></td>
                <td class="num"><xsl:value-of select="t:journalIndex"/></td>
                <td class="num"><xsl:if test="t:journalIndex and ../t:commitIndex &gt;= t:journalIndex"><xsl:value-of select="../t:commitIndex - t:journalIndex"/></xsl:if></td>
                <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:lastSeen"/></xsl:call-template></td>
                <td><xsl:value-of select="t:version"/></td>
                <td class="quiet break"><xsl:value-of select="t:url"/></td>
                <xsl:if test="../self::sup:cluster and f:may('agent.control')"><td><xsl:call-template name="agent-action"/></td></xsl:if>
                <xsl:if test="../self::sup:master and f:may('cluster.control')"><td><xsl:call-template name="master-action"/></td></xsl:if>
              </tr>
            </xsl:for-each>
          </tbody>
        </table></div>
      </xsl:if>
    </section>
  </xsl:template>
</xsl:stylesheet>
