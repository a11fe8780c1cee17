<?xml version="1.0" encoding="UTF-8"?>
<!-- JobScheduler 1.x objects: jobs, locks and process classes here; chains in jobscheduler-chain.xsl, times in
     jobscheduler-time.xsl. Documents stand in i:file; their own elements have no namespace. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:i="urn:horarium:import:1"
                xmlns="urn:horarium:configuration:1" exclude-result-prefixes="i">
  <xsl:import href="common.xsl"/>
  <xsl:include href="jobscheduler-chain.xsl"/>
  <xsl:include href="jobscheduler-time.xsl"/>

  <!-- By kind and path, as references have it once a relative one was completed: "schedule a/b". -->
  <xsl:key name="file" match="i:file" use="concat(@kind, ' ', @object)"/>
  <xsl:variable name="upper">ABCDEFGHIJKLMNOPQRSTUVWXYZ_</xsl:variable>
  <xsl:variable name="lower">abcdefghijklmnopqrstuvwxyz-</xsl:variable>
  <xsl:variable name="letters">ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_</xsl:variable>

  <xsl:template match="/i:jobscheduler">
    <i:imported>
      <xsl:if test="i:file[@kind = 'job_chain' or @kind = 'job']"><xsl:call-template name="agent-cluster"/></xsl:if>
      <xsl:apply-templates select="i:file"/>
      <xsl:for-each select="i:refused">
        <xsl:call-template name="note">
          <xsl:with-param name="from" select="@path"/><xsl:with-param name="verdict">lost</xsl:with-param>
          <xsl:with-param name="text" select="@why"/>
        </xsl:call-template>
      </xsl:for-each>
    </i:imported>
  </xsl:template>

  <!-- A name that Horarium takes: all else becomes "-" (in parameter names "_"). -->
  <xsl:template name="name">
    <xsl:param name="text"/>
    <xsl:variable name="kept" select="concat($letters, '.-')"/>
    <xsl:variable name="clean" select="translate($text, translate($text, $kept, ''), '----------------------------------------')"/>
    <xsl:if test="translate(substring($clean, 1, 1), '.-', '') = ''">x</xsl:if>
    <xsl:value-of select="substring($clean, 1, 59)"/>
  </xsl:template>
  <xsl:template name="variable-name">
    <xsl:param name="text"/>
    <xsl:variable name="clean" select="translate($text, translate($text, $letters, ''), '________________________________________')"/>
    <xsl:if test="translate(substring($clean, 1, 1), '0123456789', '') = ''">_</xsl:if>
    <xsl:value-of select="substring($clean, 1, 99)"/>
  </xsl:template>

  <!-- A reference to an object from inside a document of `folder`: absolute, with the target folder before it. -->
  <xsl:template name="reference">
    <xsl:param name="to"/>
    <xsl:param name="folder" select="ancestor::i:file/@folder"/>
    <xsl:text>/</xsl:text><xsl:value-of select="$below"/>
    <xsl:call-template name="clean-path">
      <xsl:with-param name="path">
        <xsl:choose>
          <xsl:when test="starts-with($to, '/')"><xsl:value-of select="substring($to, 2)"/></xsl:when>
          <xsl:otherwise><xsl:if test="$folder != ''"><xsl:value-of select="$folder"/>/</xsl:if><xsl:value-of select="$to"/></xsl:otherwise>
        </xsl:choose>
      </xsl:with-param>
    </xsl:call-template>
  </xsl:template>
  <xsl:template name="clean-path">
    <xsl:param name="path"/>
    <xsl:choose>
      <xsl:when test="contains($path, '/')">
        <xsl:call-template name="name"><xsl:with-param name="text" select="substring-before($path, '/')"/></xsl:call-template>
        <xsl:text>/</xsl:text>
        <xsl:call-template name="clean-path"><xsl:with-param name="path" select="substring-after($path, '/')"/></xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:call-template name="name"><xsl:with-param name="text" select="$path"/></xsl:call-template></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
  <!-- The object of the current i:file, "/folder/name", and its file without the kind. -->
  <xsl:template name="object">
    <xsl:call-template name="reference"><xsl:with-param name="to" select="ancestor-or-self::i:file/@name"/><xsl:with-param name="folder" select="ancestor-or-self::i:file/@folder"/></xsl:call-template>
  </xsl:template>
  <xsl:template name="tell">
    <xsl:param name="verdict">lost</xsl:param>
    <xsl:param name="text"/>
    <xsl:call-template name="note">
      <xsl:with-param name="from" select="ancestor-or-self::i:file/@path"/>
      <xsl:with-param name="object"><xsl:call-template name="object"/></xsl:with-param>
      <xsl:with-param name="verdict" select="$verdict"/><xsl:with-param name="text" select="$text"/>
    </xsl:call-template>
  </xsl:template>

  <!-- "90", "01:30" (hours and minutes) or "00:01:30" as an xsd:duration. -->
  <xsl:template name="duration">
    <xsl:param name="text"/>
    <xsl:variable name="rest" select="substring-after($text, ':')"/>
    <xsl:text>PT</xsl:text>
    <xsl:choose>
      <xsl:when test="contains($rest, ':')">
        <xsl:value-of select="number(substring-before($text, ':')) * 3600 + number(substring-before($rest, ':')) * 60 + number(substring-after($rest, ':'))"/>
      </xsl:when>
      <xsl:when test="$rest != ''"><xsl:value-of select="number(substring-before($text, ':')) * 3600 + number($rest) * 60"/></xsl:when>
      <xsl:otherwise><xsl:value-of select="number($text)"/></xsl:otherwise>
    </xsl:choose>
    <xsl:text>S</xsl:text>
  </xsl:template>

  <!-- ================ jobs ================ -->
  <xsl:template match="i:file[@kind = 'job']">
    <xsl:variable name="object"><xsl:call-template name="object"/></xsl:variable>
    <xsl:variable name="base" select="substring($object, 2)"/>
    <i:object file="{$base}.job.xml"><xsl:apply-templates select="job" mode="document"/></i:object>
    <!-- A job with its own start times and no chain around it starts as a chain of one. -->
    <xsl:if test="not(job/@order = 'yes') and job/run_time[@schedule or * or @single_start or @repeat or @absolute_repeat]">
      <xsl:variable name="own"><xsl:call-template name="name"><xsl:with-param name="text" select="@name"/></xsl:call-template></xsl:variable>
      <i:object file="{$base}.chain.xml">
        <jobChain overlap="skip" onFailure="end">
          <xsl:call-template name="cluster-of"><xsl:with-param name="class" select="job/@process_class"/></xsl:call-template>
          <node id="run" job="{$own}"/>
        </jobChain>
      </i:object>
      <xsl:for-each select="job/run_time">
        <xsl:call-template name="schedules"><xsl:with-param name="base" select="$base"/><xsl:with-param name="chain" select="$own"/></xsl:call-template>
      </xsl:for-each>
    </xsl:if>
    <xsl:apply-templates select="job" mode="notes"/>
  </xsl:template>

  <xsl:template name="cluster-of">
    <xsl:param name="class"/>
    <xsl:attribute name="agentCluster">
      <xsl:choose>
        <xsl:when test="$class != ''"><xsl:call-template name="reference"><xsl:with-param name="to" select="$class"/><xsl:with-param name="folder" select="ancestor-or-self::i:file/@folder"/></xsl:call-template></xsl:when>
        <xsl:otherwise><xsl:value-of select="$cluster"/></xsl:otherwise>
      </xsl:choose>
    </xsl:attribute>
  </xsl:template>

  <xsl:template match="job" mode="document">
    <job>
      <xsl:call-template name="title"><xsl:with-param name="text" select="@title"/></xsl:call-template>
      <xsl:for-each select="params/param">
        <parameter>
          <xsl:attribute name="name"><xsl:call-template name="variable-name"><xsl:with-param name="text" select="@name"/></xsl:call-template></xsl:attribute>
          <xsl:attribute name="default"><xsl:call-template name="literal"><xsl:with-param name="text" select="string(@value)"/></xsl:call-template></xsl:attribute>
        </parameter>
      </xsl:for-each>
      <xsl:choose>
        <xsl:when test="script[@language = 'shell' or not(@language)] and not(script/include)">
          <script><xsl:value-of select="script"/></script>
        </xsl:when>
        <xsl:otherwise><script>echo "this job was not imported: write its script" &gt;&amp;2; exit 78</script></xsl:otherwise>
      </xsl:choose>
      <xsl:for-each select="environment/variable">
        <environment>
          <xsl:attribute name="name"><xsl:call-template name="variable-name"><xsl:with-param name="text" select="@name"/></xsl:call-template></xsl:attribute>
          <xsl:call-template name="literal"><xsl:with-param name="text" select="string(@value)"/></xsl:call-template>
        </environment>
      </xsl:for-each>
      <!-- Scripts find their parameters under the names that they know. -->
      <xsl:for-each select="params/param">
        <xsl:variable name="variable"><xsl:call-template name="variable-name"><xsl:with-param name="text" select="@name"/></xsl:call-template></xsl:variable>
        <environment name="SCHEDULER_PARAM_{translate($variable, $lower, $upper)}">{$<xsl:value-of select="$variable"/>}</environment>
      </xsl:for-each>
      <xsl:if test="@timeout or @tasks &gt; 1 or $user != ''">
        <execution>
          <xsl:if test="$user != ''"><xsl:attribute name="user"><xsl:value-of select="$user"/></xsl:attribute></xsl:if>
          <xsl:if test="@timeout"><xsl:attribute name="timeout"><xsl:call-template name="duration"><xsl:with-param name="text" select="@timeout"/></xsl:call-template></xsl:attribute></xsl:if>
          <xsl:attribute name="maxTasks"><xsl:choose><xsl:when test="@tasks"><xsl:value-of select="@tasks"/></xsl:when><xsl:otherwise>1</xsl:otherwise></xsl:choose></xsl:attribute>
        </execution>
      </xsl:if>
      <xsl:call-template name="retry"/>
      <xsl:for-each select="lock.use">
        <lock>
          <xsl:attribute name="ref"><xsl:call-template name="reference"><xsl:with-param name="to" select="@lock"/></xsl:call-template></xsl:attribute>
          <xsl:attribute name="mode"><xsl:choose><xsl:when test="@exclusive = 'no'">shared</xsl:when><xsl:otherwise>exclusive</xsl:otherwise></xsl:choose></xsl:attribute>
        </lock>
      </xsl:for-each>
    </job>
  </xsl:template>

  <!-- delay_after_error and delay_order_after_setback: the n-th failure waits, the last one stops. -->
  <xsl:template name="retry">
    <xsl:variable name="delays" select="delay_after_error[not(@delay = 'stop')] | delay_order_after_setback[not(@is_maximum = 'yes')]"/>
    <xsl:variable name="stop" select="delay_after_error[@delay = 'stop']/@error_count | delay_order_after_setback[@is_maximum = 'yes']/@setback_count"/>
    <xsl:if test="$delays">
      <retry>
        <xsl:attribute name="attempts"><xsl:choose><xsl:when test="$stop"><xsl:value-of select="$stop"/></xsl:when><xsl:otherwise>100</xsl:otherwise></xsl:choose></xsl:attribute>
        <xsl:attribute name="delay"><xsl:call-template name="duration"><xsl:with-param name="text" select="$delays[1]/@delay"/></xsl:call-template></xsl:attribute>
      </retry>
    </xsl:if>
  </xsl:template>

  <xsl:template match="job" mode="notes">
    <xsl:variable name="lost">
      <xsl:if test="not(script)">it has no script; </xsl:if>
      <xsl:if test="script/include">its script is in the file <xsl:value-of select="script/include/@*"/>; </xsl:if>
      <xsl:if test="contains(concat(script/@java_class, script/@language), 'plit') or contains(script/@java_class, 'ynchron')">split and synchronize: write nodes side by side, with several after elements; </xsl:if>
      <xsl:if test="script/@language and not(script/@language = 'shell')">a script in <xsl:value-of select="script/@language"/> runs inside JobScheduler only; </xsl:if>
      <xsl:if test="monitor">its monitor (pre- and post-processing); </xsl:if>
      <xsl:if test="start_when_directory_changed">start_when_directory_changed; </xsl:if>
      <xsl:if test="commands">commands on_exit_code; </xsl:if>
      <xsl:if test="params/include | params/copy_params">parameters from elsewhere; </xsl:if>
      <xsl:if test="@order = 'yes' and run_time[*]">its own operating hours; </xsl:if>
    </xsl:variable>
    <xsl:variable name="differs">
      <xsl:if test="@stop_on_error = 'yes'">JobScheduler stops the job after an error, here the order fails; </xsl:if>
      <xsl:if test="count(delay_after_error[not(@delay = 'stop')] | delay_order_after_setback) &gt; 2">only the first of its delays is kept; </xsl:if>
      <xsl:if test="delay_after_error[not(@delay = 'stop')] and not(delay_after_error[@delay = 'stop'])">it is tried 100 times, not for ever; </xsl:if>
      <xsl:if test="settings">mail settings: rules for mail are the Supervisor's; </xsl:if>
      <xsl:if test="@warn_if_longer_than | @warn_if_shorter_than">its warnings on run time are to be written as warn; </xsl:if>
      <xsl:if test="@ignore_signals">ignore_signals; </xsl:if>
      <xsl:if test="@priority">its process priority; </xsl:if>
      <xsl:if test="@min_tasks &gt; 0">min_tasks: a process is started when there is work; </xsl:if>
    </xsl:variable>
    <xsl:if test="$lost != ''"><xsl:call-template name="tell"><xsl:with-param name="text" select="$lost"/></xsl:call-template></xsl:if>
    <xsl:if test="$differs != ''"><xsl:call-template name="tell"><xsl:with-param name="verdict">differs</xsl:with-param><xsl:with-param name="text" select="$differs"/></xsl:call-template></xsl:if>
    <xsl:if test="$lost = '' and $differs = ''"><xsl:call-template name="tell"><xsl:with-param name="verdict">maps</xsl:with-param></xsl:call-template></xsl:if>
  </xsl:template>

  <!-- ================ locks and process classes ================ -->
  <xsl:template match="i:file[@kind = 'lock']">
    <xsl:variable name="object"><xsl:call-template name="object"/></xsl:variable>
    <i:object file="{substring($object, 2)}.lock.xml">
      <lock><xsl:attribute name="capacity"><xsl:choose><xsl:when test="lock/@max_non_exclusive &gt; 0"><xsl:value-of select="lock/@max_non_exclusive"/></xsl:when><xsl:otherwise>1000</xsl:otherwise></xsl:choose></xsl:attribute></lock>
    </i:object>
    <xsl:call-template name="tell"><xsl:with-param name="verdict">maps</xsl:with-param></xsl:call-template>
  </xsl:template>

  <xsl:template match="i:file[@kind = 'process_class']">
    <xsl:variable name="object"><xsl:call-template name="object"/></xsl:variable>
    <xsl:variable name="hosts" select="process_class/@remote_scheduler | process_class/remote_schedulers/remote_scheduler/@remote_scheduler"/>
    <i:object file="{substring($object, 2)}.agentCluster.xml">
      <agentCluster selection="fixedPriority">
        <xsl:if test="process_class/remote_schedulers/@select = 'next'"><xsl:attribute name="selection">roundRobin</xsl:attribute></xsl:if>
        <xsl:for-each select="$hosts">
          <xsl:variable name="plain" select="substring-after(concat(substring('//', 1, 2 * not(contains(., '//'))), .), '//')"/>
          <member name="a{position()}" url="https://{substring-before(concat($plain, ':'), ':')}:4451">
            <xsl:attribute name="priority"><xsl:choose><xsl:when test="../../@select = 'next'">1</xsl:when><xsl:otherwise><xsl:value-of select="last() + 1 - position()"/></xsl:otherwise></xsl:choose></xsl:attribute>
            <xsl:if test="ancestor::process_class/@max_processes"><xsl:attribute name="maxTasks"><xsl:value-of select="ancestor::process_class/@max_processes"/></xsl:attribute></xsl:if>
          </member>
        </xsl:for-each>
        <xsl:if test="not($hosts)"><member name="a1" url="https://127.0.0.1:4451"/></xsl:if>
      </agentCluster>
    </i:object>
    <xsl:call-template name="tell">
      <xsl:with-param name="verdict">differs</xsl:with-param>
      <xsl:with-param name="text">an agent cluster: its members' addresses and names are guessed (port 4451), write the real ones in</xsl:with-param>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="i:file[@kind = 'monitor' or @kind = 'params']">
    <xsl:call-template name="tell"><xsl:with-param name="text">objects of this kind have no counterpart</xsl:with-param></xsl:call-template>
  </xsl:template>
</xsl:stylesheet>
