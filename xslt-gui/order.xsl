<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:variable name="answer" select="/c:page/c:response/sup:GetOrderResponse"/>
  <xsl:variable name="order" select="$answer/sup:order"/>
  <xsl:variable name="nodes" select="$answer/sup:node"/>
  <xsl:variable name="ended" select="$order/t:state = 'succeeded' or $order/t:state = 'warned' or $order/t:state = 'failedFinally' or $order/t:state = 'cancelled' or $order/t:state = 'skipped' or $order/t:state = 'missed'"/>
  <xsl:template match="c:page" mode="title">
    <xsl:choose><xsl:when test="$order">Order <span class="id"><xsl:value-of select="$order/t:id"/></span></xsl:when><xsl:otherwise>Order <xsl:value-of select="f:query('id')"/></xsl:otherwise></xsl:choose>
  </xsl:template>
  <xsl:template match="c:page" mode="tools">
    <a class="button" href="/controller/events?order={f:encode($order/t:id)}">Events</a>
    <a class="button" href="/controller/audit?object={f:encode($order/t:id)}">Audit</a>
  </xsl:template>
  <xsl:template match="c:page" mode="content">
    <xsl:if test="string($order/t:title)"><p class="lead"><xsl:value-of select="$order/t:title"/></p></xsl:if>
    <dl class="facts">
      <div id="order-state"><dt>State</dt><dd><xsl:call-template name="state"><xsl:with-param name="state" select="$order/t:state"/><xsl:with-param name="mark" select="$order/t:mark"/></xsl:call-template></dd></div>
      <div><dt>Chain</dt><dd><xsl:call-template name="chain-link"><xsl:with-param name="path" select="$order/t:chain"/></xsl:call-template></dd></div>
      <div><dt>Planned</dt><dd><xsl:call-template name="time"><xsl:with-param name="at" select="$order/t:plannedAt"/><xsl:with-param name="full" select="true()"/></xsl:call-template></dd></div>
      <xsl:if test="string($order/t:startedAt)"><div><dt>Started</dt><dd><xsl:call-template name="time"><xsl:with-param name="at" select="$order/t:startedAt"/><xsl:with-param name="full" select="true()"/></xsl:call-template></dd></div></xsl:if>
      <xsl:if test="string($order/t:endedAt)"><div><dt>Ended</dt><dd><xsl:call-template name="time"><xsl:with-param name="at" select="$order/t:endedAt"/><xsl:with-param name="full" select="true()"/></xsl:call-template></dd></div></xsl:if>
      <xsl:if test="string($order/t:startedAt)"><div><dt>Duration</dt><dd><xsl:value-of select="f:between($order/t:startedAt, $order/t:endedAt)"/><xsl:if test="$order/t:expectedMs &gt; 0"><span class="quiet"> usually <xsl:value-of select="f:ms($order/t:expectedMs)"/></span></xsl:if></dd></div></xsl:if>
      <xsl:if test="string($order/t:cluster)"><div><dt>Cluster</dt><dd><span class="path"><xsl:value-of select="$order/t:cluster"/></span></dd></div></xsl:if>
      <xsl:if test="string($order/t:where)"><div><dt>Where</dt><dd><xsl:value-of select="$order/t:where"/></dd></div></xsl:if>
      <xsl:if test="string($order/t:master)"><div><dt>Master</dt><dd><xsl:value-of select="$order/t:master"/></dd></div></xsl:if>
      <xsl:if test="string($order/t:release)"><div><dt>Release</dt><dd><a href="/controller/release?number={$order/t:release}"><xsl:value-of select="$order/t:release"/></a></dd></div></xsl:if>
      <xsl:if test="string($order/t:schedule)"><div><dt>Schedule</dt><dd><a class="path" href="/controller/object?path={f:encode($order/t:schedule)}&amp;kind=schedule"><xsl:value-of select="$order/t:schedule"/></a></dd></div></xsl:if>
      <xsl:if test="string($order/t:priority) and $order/t:priority != 0"><div><dt>Priority</dt><dd><xsl:value-of select="$order/t:priority"/></dd></div></xsl:if>
    </dl>
    <xsl:if test="string($order/t:cause)"><p class="cause"><xsl:value-of select="$order/t:cause"/></p></xsl:if>
    <xsl:if test="$answer/sup:obstacle and not($ended)">
      <section class="panel why" aria-labelledby="why">
        <h2 id="why">Why is it not running?</h2>
        <ul>
          <xsl:for-each select="$answer/sup:obstacle">
            <li>
              <xsl:if test="string(t:node)"><a class="id" href="#node-{f:encode(t:node)}"><xsl:value-of select="t:node"/></a>: </xsl:if>
              <xsl:value-of select="t:text"/>
              <xsl:if test="string(t:until)"><xsl:text> </xsl:text><span class="quiet">until <xsl:call-template name="time"><xsl:with-param name="at" select="t:until"/><xsl:with-param name="full" select="true()"/></xsl:call-template></span></xsl:if>
            </li>
          </xsl:for-each>
        </ul>
      </section>
    </xsl:if>
    <xsl:if test="f:may('order.control') and $order"><xsl:call-template name="actions"/></xsl:if>
    <xsl:if test="$nodes">
      <section class="panel" aria-labelledby="graph">
        <h2 id="graph">Nodes</h2>
        <xsl:call-template name="graph"/>
        <xsl:call-template name="node-table"/>
      </section>
    </xsl:if>
    <section class="panel" aria-labelledby="attempts">
      <h2 id="attempts">Attempts</h2>
      <xsl:choose>
        <xsl:when test="not($answer/sup:task)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'No job has been started yet.'"/></xsl:call-template></xsl:when>
        <xsl:otherwise>
          <div class="scroll" tabindex="0" role="region" aria-labelledby="attempts"><table class="rows">
            <thead><tr><th scope="col">State</th><th scope="col">Node</th><th scope="col" class="num">Attempt</th><th scope="col">Agent</th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col" class="num">Duration</th><th scope="col" class="num">Exit</th><th scope="col" class="num">CPU</th><th scope="col" class="num">Memory</th><th scope="col">Log</th><th scope="col">Cause</th></tr></thead>
            <tbody>
              <xsl:for-each select="$answer/sup:task">
                <tr id="task-{t:id}">
                  <td><xsl:call-template name="task-state"/></td>
                  <th scope="row" class="id"><xsl:value-of select="t:node"/></th>
                  <td class="num"><xsl:value-of select="t:attempt"/></td>
                  <td><xsl:value-of select="t:agent"/></td>
                  <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
                  <td class="num"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></td>
                  <td class="num"><xsl:value-of select="t:exitCode"/><xsl:if test="t:signal &gt; 0">signal <xsl:value-of select="t:signal"/></xsl:if></td>
                  <td class="num"><xsl:value-of select="f:ms(t:cpuMs)"/></td>
                  <td class="num"><xsl:if test="t:maxRssKb"><xsl:value-of select="f:bytes(t:maxRssKb * 1024)"/></xsl:if></td>
                  <td><xsl:call-template name="log-link"><xsl:with-param name="task" select="t:id"/><xsl:with-param name="bytes" select="t:logBytes"/></xsl:call-template></td>
                  <td class="sentence"><xsl:value-of select="t:cause"/></td>
                </tr>
              </xsl:for-each>
            </tbody>
          </table></div>
        </xsl:otherwise>
      </xsl:choose>
    </section>
    <xsl:if test="$order/t:argument">
      <section class="panel" aria-labelledby="parameters"><h2 id="parameters">Parameters</h2><xsl:call-template name="arguments"><xsl:with-param name="list" select="$order/t:argument"/></xsl:call-template></section>
    </xsl:if>
    <xsl:if test="$nodes/t:output">
      <section class="panel" aria-labelledby="outputs"><h2 id="outputs">Outputs</h2>
        <xsl:for-each select="$nodes[t:output]"><h3 class="id"><xsl:value-of select="t:id"/></h3><xsl:call-template name="arguments"><xsl:with-param name="list" select="t:output"/></xsl:call-template></xsl:for-each>
      </section>
    </xsl:if>
    <section class="panel" aria-labelledby="history">
      <h2 id="history">History of states</h2>
      <xsl:choose>
        <xsl:when test="not($answer/sup:transition)"><xsl:call-template name="nothing"><xsl:with-param name="text" select="'Nothing has happened yet.'"/></xsl:call-template></xsl:when>
        <xsl:otherwise>
          <div class="scroll" tabindex="0" role="region" aria-labelledby="history"><table>
            <thead><tr><th scope="col">At<xsl:call-template name="zone"/></th><th scope="col">Event</th><th scope="col">State</th><th scope="col">Node</th><th scope="col">Agent</th><th scope="col">By</th><th scope="col">Cause</th></tr></thead>
            <tbody>
              <xsl:for-each select="$answer/sup:transition">
                <tr>
                  <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:at"/></xsl:call-template></td>
                  <td><xsl:value-of select="f:spaced(t:event)"/></td>
                  <td><xsl:if test="string(t:state)"><xsl:call-template name="state"/></xsl:if></td>
                  <td class="id"><xsl:value-of select="t:node"/><xsl:if test="t:attempt &gt; 1"><span class="quiet"> attempt <xsl:value-of select="t:attempt"/></span></xsl:if></td>
                  <td><xsl:value-of select="t:agent"/></td>
                  <td><xsl:value-of select="t:actor"/></td>
                  <td class="sentence"><xsl:value-of select="t:cause"/></td>
                </tr>
              </xsl:for-each>
            </tbody>
          </table></div>
        </xsl:otherwise>
      </xsl:choose>
    </section>
  </xsl:template>

  <xsl:template name="task-state">
    <xsl:choose>
      <xsl:when test="string(t:outcome)"><xsl:call-template name="state"><xsl:with-param name="state" select="t:outcome"/></xsl:call-template></xsl:when>
      <xsl:otherwise><xsl:call-template name="state"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- Actions that this state allows; whatever loses work is previewed first. -->
  <xsl:template name="actions">
    <xsl:variable name="state" select="string($order/t:state)"/>
    <form action="/controller/do/control-orders" method="post" class="toolbar" aria-label="Actions">
      <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
      <input type="hidden" name="order" value="{$order/t:id}"/>
      <input type="hidden" name="scope" value="selected"/>
      <label class="field grow"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
      <xsl:if test="$state = 'planned' or $state = 'waitingForTime'"><xsl:call-template name="act"><xsl:with-param name="action" select="'start'"/><xsl:with-param name="words" select="'Start now'"/></xsl:call-template></xsl:if>
      <xsl:if test="not($ended) and $state != 'suspended'"><xsl:call-template name="act"><xsl:with-param name="action" select="'suspend'"/><xsl:with-param name="words" select="'Suspend'"/></xsl:call-template></xsl:if>
      <xsl:if test="$state = 'suspended'"><xsl:call-template name="act"><xsl:with-param name="action" select="'resume'"/><xsl:with-param name="words" select="'Resume'"/></xsl:call-template></xsl:if>
      <xsl:if test="$state = 'failed'"><xsl:call-template name="act"><xsl:with-param name="action" select="'retry'"/><xsl:with-param name="words" select="'Retry failed nodes'"/></xsl:call-template></xsl:if>
      <xsl:if test="not($ended)">
        <button type="submit" name="action" value="cancel" class="danger">Cancel…</button>
        <xsl:if test="$nodes[t:state = 'running' or t:state = 'assigned']"><button type="submit" name="action" value="kill" class="danger">Kill…</button></xsl:if>
      </xsl:if>
    </form>
    <xsl:if test="not($ended)">
      <details class="more">
        <summary>More actions</summary>
        <div class="columns">
          <form action="/controller/do/control-orders" method="post" class="stack panel">
            <h3>Change start, priority or parameters</h3>
            <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
            <input type="hidden" name="order" value="{$order/t:id}"/><input type="hidden" name="scope" value="selected"/><input type="hidden" name="action" value="change"/>
            <label class="field"><span>Start at (UTC)</span><input type="datetime-local" name="start-at" step="1"/></label>
            <label class="field"><span>Priority</span><input type="number" name="priority"/></label>
            <xsl:for-each select="$order/t:argument[not(@secret = 'true' or @secret = '1')]">
              <input type="hidden" name="argument-name" value="{@name}"/>
              <label class="field"><span><xsl:value-of select="@name"/></span><input type="text" name="argument-value" value="{.}"/></label>
            </xsl:for-each>
            <label class="field"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
            <button type="submit">Preview change</button>
          </form>
          <form action="/controller/do/control-orders" method="post" class="stack panel">
            <h3>One node</h3>
            <xsl:call-template name="csrf"/><xsl:call-template name="return"/>
            <input type="hidden" name="order" value="{$order/t:id}"/><input type="hidden" name="scope" value="selected"/>
            <label class="field"><span>Node</span><select name="node"><xsl:for-each select="$nodes"><option value="{t:id}"><xsl:value-of select="concat(t:id, ' (', f:words(t:state), ')')"/></option></xsl:for-each></select></label>
            <label class="field"><span>Action</span><select name="action"><option value="resume">resume from this node</option><option value="skipNode">skip this node</option><option value="setOutcome">set its outcome</option><option value="resolve">resolve in doubt</option></select></label>
            <label class="field"><span>Outcome, where one is set</span><select name="outcome"><option value="">none</option><option value="success">success</option><option value="warning">warning</option><option value="failure">failure</option><option value="again">run again</option></select></label>
            <label class="field"><span>Reason</span><input type="text" name="reason" maxlength="400"/></label>
            <button type="submit">Preview</button>
          </form>
        </div>
      </details>
    </xsl:if>
  </xsl:template>
  <xsl:template name="act">
    <xsl:param name="action"/>
    <xsl:param name="words"/>
    <button type="submit" name="action" value="{$action}" formaction="/controller/do/control-order-now"><xsl:value-of select="$words"/></button>
  </xsl:template>

  <!-- The graph: columns and rows come with the answer, edges run from right to left sides. -->
  <xsl:template name="graph">
    <xsl:variable name="columns"><xsl:for-each select="$nodes"><xsl:sort select="number(concat('0', t:column))" data-type="number" order="descending"/><xsl:if test="position() = 1"><xsl:value-of select="number(concat('0', t:column)) + 1"/></xsl:if></xsl:for-each></xsl:variable>
    <xsl:variable name="rows"><xsl:for-each select="$nodes"><xsl:sort select="number(concat('0', t:row))" data-type="number" order="descending"/><xsl:if test="position() = 1"><xsl:value-of select="number(concat('0', t:row)) + 1"/></xsl:if></xsl:for-each></xsl:variable>
    <div class="scroll" tabindex="0" role="region" aria-label="Graph of the nodes">
      <svg class="graph" width="{$columns * 224 - 40}" height="{$rows * 72 - 8}" viewBox="0 0 {$columns * 224 - 40} {$rows * 72 - 8}" role="group" aria-label="Graph of the nodes; the table below says the same">
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="arrow" d="M0 0.5L7 4L0 7.5z"/></marker></defs>
        <xsl:for-each select="$nodes">
          <xsl:variable name="x" select="number(concat('0', t:column)) * 224"/>
          <xsl:variable name="y" select="number(concat('0', t:row)) * 72 + 32"/>
          <xsl:for-each select="t:after">
            <xsl:variable name="before" select="$nodes[t:id = current()/@node]"/>
            <xsl:if test="$before">
              <xsl:variable name="x0" select="number(concat('0', $before[1]/t:column)) * 224 + 184"/>
              <xsl:variable name="y0" select="number(concat('0', $before[1]/t:row)) * 72 + 32"/>
              <xsl:variable name="bend"><xsl:choose><xsl:when test="$x - $x0 &gt; 60">40</xsl:when><xsl:otherwise>20</xsl:otherwise></xsl:choose></xsl:variable>
              <path d="M{$x0} {$y0}C{$x0 + $bend} {$y0} {$x - $bend} {$y} {$x - 1} {$y}" marker-end="url(#arrow)">
                <xsl:attribute name="class">edge<xsl:if test="string(@on) and @on != 'success'"> other</xsl:if></xsl:attribute>
                <title><xsl:value-of select="concat('after ', @node)"/><xsl:if test="string(@on)"><xsl:value-of select="concat(', on ', @on)"/></xsl:if></title>
              </path>
              <xsl:if test="string(@on) and @on != 'success'"><text class="edge-text" x="{($x0 + $x) div 2}" y="{($y0 + $y) div 2 - 5}"><xsl:value-of select="f:cut(@on, 9)"/></text></xsl:if>
            </xsl:if>
          </xsl:for-each>
        </xsl:for-each>
        <xsl:for-each select="$nodes">
          <xsl:variable name="x" select="number(concat('0', t:column)) * 224"/>
          <xsl:variable name="y" select="number(concat('0', t:row)) * 72"/>
          <xsl:variable name="tone" select="f:tone(t:state)"/>
          <a href="#node-{f:encode(t:id)}">
            <g class="node s-{$tone}">
              <title><xsl:value-of select="concat(t:id, ': ', f:words(t:state))"/><xsl:if test="string(t:cause)"><xsl:value-of select="concat('. ', t:cause)"/></xsl:if></title>
              <rect class="box" x="{$x + 1}" y="{$y + 5}" width="182" height="54" rx="5"/>
              <rect class="fill" x="{$x + 1}" y="{$y + 5}" width="26" height="54" rx="5"/>
              <use class="glyph" href="#g-{$tone}" x="{$x + 6}" y="{$y + 24}" width="16" height="16"/>
              <text class="name" x="{$x + 35}" y="{$y + 27}"><xsl:value-of select="f:cut(t:id, 20)"/></text>
              <text class="detail" x="{$x + 35}" y="{$y + 46}">
                <xsl:value-of select="f:cut(f:words(t:state), 22)"/>
                <xsl:if test="string(t:startedAt) and string-length(t:state) &lt; 20"><xsl:value-of select="concat(' · ', f:between(t:startedAt, t:endedAt))"/></xsl:if>
                <xsl:if test="t:attempt &gt; 1"><xsl:value-of select="concat(' · ×', t:attempt)"/></xsl:if>
              </text>
            </g>
          </a>
        </xsl:for-each>
      </svg>
    </div>
  </xsl:template>
  <xsl:template name="node-table">
    <div class="scroll" tabindex="0" role="region" aria-label="Nodes as a table"><table class="rows">
      <thead><tr><th scope="col">State</th><th scope="col">Node</th><th scope="col">Job</th><th scope="col">After</th><th scope="col">Agent</th><th scope="col">Started<xsl:call-template name="zone"/></th><th scope="col" class="num">Duration</th><th scope="col" class="num">Usually</th><th scope="col" class="num">Attempt</th><th scope="col">Log</th><th scope="col">Cause</th></tr></thead>
      <tbody>
        <xsl:for-each select="$nodes">
          <tr id="node-{t:id}">
            <td><xsl:call-template name="state"/></td>
            <th scope="row"><span class="id"><xsl:value-of select="t:id"/></span><xsl:if test="string(t:title)"><br/><span class="quiet"><xsl:value-of select="t:title"/></span></xsl:if></th>
            <td><xsl:if test="string(t:job)"><a class="path" href="/controller/object?path={f:encode(t:job)}&amp;kind=job"><xsl:value-of select="t:job"/></a></xsl:if></td>
            <td><xsl:for-each select="t:after"><xsl:if test="position() &gt; 1">, </xsl:if><span class="id"><xsl:value-of select="@node"/></span><xsl:if test="string(@on) and @on != 'success'"><span class="quiet"> on <xsl:value-of select="@on"/></span></xsl:if></xsl:for-each></td>
            <td><xsl:value-of select="t:agent"/></td>
            <td><xsl:call-template name="time"><xsl:with-param name="at" select="t:startedAt"/></xsl:call-template></td>
            <td class="num"><xsl:value-of select="f:between(t:startedAt, t:endedAt)"/></td>
            <td class="num"><xsl:value-of select="f:ms(t:expectedMs)"/></td>
            <td class="num"><xsl:value-of select="t:attempt"/></td>
            <td><xsl:if test="string(t:task)"><xsl:call-template name="log-link"><xsl:with-param name="task" select="t:task"/></xsl:call-template></xsl:if></td>
            <td class="sentence"><xsl:value-of select="t:cause"/></td>
          </tr>
        </xsl:for-each>
      </tbody>
    </table></div>
  </xsl:template>
</xsl:stylesheet>
