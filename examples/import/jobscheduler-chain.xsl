<?xml version="1.0" encoding="UTF-8"?>
<!-- Job chains. A JobScheduler order is at one state at a time and walks from node to node; here a chain is a
     graph, and a node starts when one of the nodes that lead to it ended the right way (join="any"). -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:i="urn:horarium:import:1"
                xmlns="urn:horarium:configuration:1" exclude-result-prefixes="i">
  <xsl:key name="chain-parameters" match="i:file[@kind = 'order']" use="concat(@folder, ' ', @chain)"/>

  <xsl:template match="i:file[@kind = 'job_chain']">
    <xsl:variable name="object"><xsl:call-template name="object"/></xsl:variable>
    <i:object file="{substring($object, 2)}.chain.xml"><xsl:apply-templates select="job_chain" mode="document"/></i:object>
    <xsl:apply-templates select="job_chain" mode="notes"/>
  </xsl:template>

  <xsl:template match="job_chain" mode="document">
    <jobChain onFailure="end">
      <xsl:call-template name="title"><xsl:with-param name="text" select="@title"/></xsl:call-template>
      <xsl:call-template name="cluster-of"><xsl:with-param name="class" select="@process_class"/></xsl:call-template>
      <xsl:attribute name="overlap"><xsl:choose><xsl:when test="@max_orders">queue</xsl:when><xsl:otherwise>allow</xsl:otherwise></xsl:choose></xsl:attribute>
      <xsl:if test="@max_orders"><xsl:attribute name="maxOrders"><xsl:value-of select="@max_orders"/></xsl:attribute></xsl:if>
      <!-- Parameters that its orders give: each name once. -->
      <xsl:variable name="given" select="key('chain-parameters', concat(../@folder, ' ', ../@name))/order/params/param"/>
      <xsl:for-each select="$given">
        <xsl:sort select="@name"/>
        <xsl:if test="generate-id() = generate-id($given[@name = current()/@name][1])">
          <parameter>
            <xsl:attribute name="name"><xsl:call-template name="variable-name"><xsl:with-param name="text" select="@name"/></xsl:call-template></xsl:attribute>
          </parameter>
        </xsl:if>
      </xsl:for-each>
      <xsl:apply-templates select="job_chain_node[@job] | job_chain_node.job_chain" mode="document"/>
    </jobChain>
  </xsl:template>

  <!-- Only the first node may have no way to it; a way back to an earlier node would be a loop. -->
  <xsl:template match="job_chain_node | job_chain_node.job_chain" mode="document">
    <xsl:variable name="before" select="preceding-sibling::*"/>
    <xsl:variable name="ways" select="$before[@job or @job_chain][@next_state = current()/@state or @error_state = current()/@state
                                       or on_return_codes/on_return_code/to_state/@state = current()/@state]"/>
    <xsl:if test="$ways or not($before[@job or @job_chain])">
      <node>
        <xsl:attribute name="id"><xsl:call-template name="name"><xsl:with-param name="text" select="@state"/></xsl:call-template></xsl:attribute>
        <xsl:choose>
          <xsl:when test="@job"><xsl:attribute name="job"><xsl:call-template name="reference"><xsl:with-param name="to" select="@job"/></xsl:call-template></xsl:attribute></xsl:when>
          <xsl:otherwise><xsl:attribute name="chain"><xsl:call-template name="reference"><xsl:with-param name="to" select="@job_chain"/></xsl:call-template></xsl:attribute></xsl:otherwise>
        </xsl:choose>
        <xsl:if test="count($ways) &gt; 1 or count($ways/on_return_codes/on_return_code[to_state/@state = current()/@state]) + count($ways[@next_state = current()/@state]) + count($ways[@error_state = current()/@state]) &gt; 1">
          <xsl:attribute name="join">any</xsl:attribute>
        </xsl:if>
        <xsl:call-template name="on-failure"/>
        <xsl:variable name="state" select="string(@state)"/>
        <xsl:for-each select="$ways">
          <xsl:variable name="from"><xsl:call-template name="name"><xsl:with-param name="text" select="@state"/></xsl:call-template></xsl:variable>
          <xsl:for-each select="on_return_codes/on_return_code[to_state/@state = $state]">
            <after node="{$from}"><xsl:attribute name="on"><xsl:call-template name="codes"/></xsl:attribute></after>
          </xsl:for-each>
          <xsl:if test="@next_state = $state"><after node="{$from}" on="success warning"/></xsl:if>
          <xsl:if test="@error_state = $state"><after node="{$from}" on="failure"/></xsl:if>
        </xsl:for-each>
      </node>
    </xsl:if>
  </xsl:template>

  <!-- A failure that leads on to a node is handled by it; on_error="suspend" waits for a person. -->
  <xsl:template name="on-failure">
    <xsl:variable name="later" select="following-sibling::*[@job or @job_chain]/@state"/>
    <xsl:choose>
      <xsl:when test="@on_error = 'suspend'"><xsl:attribute name="onFailure">suspend</xsl:attribute></xsl:when>
      <xsl:when test="@error_state = $later or on_return_codes/on_return_code/to_state/@state = $later"><xsl:attribute name="onFailure">continue</xsl:attribute></xsl:when>
    </xsl:choose>
  </xsl:template>

  <!-- "1 2 5..9" is "1 2 5-9"; success and error are words. -->
  <xsl:template name="codes">
    <xsl:param name="text" select="normalize-space(@return_code)"/>
    <xsl:choose>
      <xsl:when test="$text = 'success'">success</xsl:when>
      <xsl:when test="$text = 'error'">failure</xsl:when>
      <xsl:when test="contains($text, '..')">
        <xsl:value-of select="substring-before($text, '..')"/>-<xsl:call-template name="codes"><xsl:with-param name="text" select="substring-after($text, '..')"/></xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="translate($text, ',', ' ')"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="job_chain" mode="notes">
    <xsl:variable name="lost">
      <xsl:for-each select="job_chain_node[@job] | job_chain_node.job_chain">
        <xsl:variable name="before" select="preceding-sibling::*"/>
        <xsl:if test="$before[@job or @job_chain] and not($before[@next_state = current()/@state or @error_state = current()/@state or on_return_codes/on_return_code/to_state/@state = current()/@state])">
          <xsl:text>nothing before leads to state </xsl:text><xsl:value-of select="@state"/><xsl:text>: left out; </xsl:text>
        </xsl:if>
        <xsl:variable name="own" select="@state"/>
        <xsl:for-each select="@next_state | @error_state | on_return_codes/on_return_code/to_state/@state">
          <xsl:if test=". = $before/@state or . = $own">
            <xsl:text>the way back to state </xsl:text><xsl:value-of select="."/><xsl:text>: chains have no loops; </xsl:text>
          </xsl:if>
        </xsl:for-each>
      </xsl:for-each>
      <xsl:if test="file_order_source">file_order_source <xsl:value-of select="file_order_source/@directory"/>: a watched folder; </xsl:if>
      <xsl:if test="file_order_sink">file_order_sink: what becomes of the file; </xsl:if>
      <xsl:if test=".//on_return_code/add_order">on_return_code with add_order; </xsl:if>
    </xsl:variable>
    <xsl:variable name="differs">
      <xsl:if test="job_chain_node/@delay">the delay before a node; </xsl:if>
      <xsl:if test="job_chain_node/@on_error = 'setback'">a setback is the job's own retry; </xsl:if>
      <xsl:if test="@distributed = 'yes'">distributed: an agent cluster shares the tasks in any case; </xsl:if>
    </xsl:variable>
    <xsl:if test="$lost != ''"><xsl:call-template name="tell"><xsl:with-param name="text" select="$lost"/></xsl:call-template></xsl:if>
    <xsl:if test="$differs != ''"><xsl:call-template name="tell"><xsl:with-param name="verdict">differs</xsl:with-param><xsl:with-param name="text" select="$differs"/></xsl:call-template></xsl:if>
    <xsl:if test="$lost = '' and $differs = ''"><xsl:call-template name="tell"><xsl:with-param name="verdict">maps</xsl:with-param></xsl:call-template></xsl:if>
  </xsl:template>

  <!-- ================ orders: their start times become schedules of the chain ================ -->
  <xsl:template match="i:file[@kind = 'order']">
    <xsl:variable name="object"><xsl:call-template name="object"/></xsl:variable>
    <xsl:variable name="chain"><xsl:call-template name="name"><xsl:with-param name="text" select="@chain"/></xsl:call-template></xsl:variable>
    <xsl:variable name="times" select="order/run_time[@schedule or * or @single_start or @repeat or @absolute_repeat]"/>
    <xsl:for-each select="$times">
      <xsl:call-template name="schedules">
        <xsl:with-param name="base" select="substring($object, 2)"/><xsl:with-param name="chain" select="$chain"/>
        <xsl:with-param name="arguments" select="../params/param"/>
      </xsl:call-template>
    </xsl:for-each>
    <xsl:variable name="differs">
      <xsl:if test="not($times)">it has no start times: add such an order by hand; </xsl:if>
      <xsl:if test="order/@state">it starts at state <xsl:value-of select="order/@state"/>, here at the beginning; </xsl:if>
      <xsl:if test="order/@end_state">it ends at state <xsl:value-of select="order/@end_state"/>, here at the end of the chain; </xsl:if>
      <xsl:if test="order/@priority">its priority <xsl:value-of select="order/@priority"/>: set the chain's; </xsl:if>
      <xsl:if test="order/xml_payload">its XML payload; </xsl:if>
    </xsl:variable>
    <xsl:choose>
      <xsl:when test="$differs != ''"><xsl:call-template name="tell"><xsl:with-param name="verdict">differs</xsl:with-param><xsl:with-param name="text" select="$differs"/></xsl:call-template></xsl:when>
      <xsl:otherwise><xsl:call-template name="tell"><xsl:with-param name="verdict">maps</xsl:with-param></xsl:call-template></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
