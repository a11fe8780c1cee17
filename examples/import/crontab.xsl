<?xml version="1.0" encoding="UTF-8"?>
<!-- Each line of a crontab becomes a job, a chain of this one job, and a schedule. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:i="urn:horarium:import:1"
                xmlns="urn:horarium:configuration:1" exclude-result-prefixes="i">
  <xsl:import href="common.xsl"/>

  <xsl:template match="/i:crontab">
    <i:imported>
      <xsl:if test="i:entry"><xsl:call-template name="agent-cluster"/></xsl:if>
      <xsl:apply-templates select="i:entry | i:refused"/>
    </i:imported>
  </xsl:template>

  <xsl:template match="i:refused">
    <xsl:call-template name="note">
      <xsl:with-param name="from">line <xsl:value-of select="@line"/></xsl:with-param>
      <xsl:with-param name="verdict">lost</xsl:with-param>
      <xsl:with-param name="text"><xsl:value-of select="@why"/>: <xsl:value-of select="."/></xsl:with-param>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="i:entry">
    <!-- The second line that runs a program is named with its line's number. -->
    <xsl:variable name="name">
      <xsl:value-of select="@name"/>
      <xsl:if test="preceding-sibling::i:entry/@name = @name">-line<xsl:value-of select="@line"/></xsl:if>
    </xsl:variable>
    <xsl:variable name="base" select="concat($below, $name)"/>
    <xsl:variable name="who">
      <xsl:choose>
        <xsl:when test="$user != ''"><xsl:value-of select="$user"/></xsl:when>
        <xsl:otherwise><xsl:value-of select="@user"/></xsl:otherwise>
      </xsl:choose>
    </xsl:variable>

    <i:object file="{$base}.job.xml">
      <job>
        <xsl:call-template name="title"><xsl:with-param name="text" select="i:comment"/></xsl:call-template>
        <script>
          <xsl:if test="@shell"><xsl:attribute name="shell"><xsl:value-of select="@shell"/></xsl:attribute></xsl:if>
          <xsl:call-template name="script"/>
        </script>
        <!-- cron(8) gives every job this path when the crontab sets none. -->
        <xsl:if test="not(i:variable[@name = 'PATH'])"><environment name="PATH">/usr/bin:/bin</environment></xsl:if>
        <xsl:for-each select="i:variable">
          <environment name="{@name}">
            <xsl:call-template name="literal"><xsl:with-param name="text" select="string(.)"/></xsl:call-template>
          </environment>
        </xsl:for-each>
        <xsl:if test="$who != '' or @home">
          <execution>
            <xsl:if test="$who != ''"><xsl:attribute name="user"><xsl:value-of select="$who"/></xsl:attribute></xsl:if>
            <xsl:if test="@home"><xsl:attribute name="directory"><xsl:value-of select="@home"/></xsl:attribute></xsl:if>
          </execution>
        </xsl:if>
      </job>
    </i:object>

    <!-- cron starts a command whether or not the one before has ended. -->
    <i:object file="{$base}.chain.xml">
      <jobChain agentCluster="{$cluster}" overlap="allow" onFailure="end"><node id="run" job="{$name}"/></jobChain>
    </i:object>

    <xsl:if test="i:when != '@reboot'">
      <i:object file="{$base}.schedule.xml">
        <schedule chain="{$name}">
          <xsl:attribute name="timeZone">
            <xsl:choose>
              <xsl:when test="@zone != ''"><xsl:value-of select="@zone"/></xsl:when>
              <xsl:otherwise><xsl:value-of select="$zone"/></xsl:otherwise>
            </xsl:choose>
          </xsl:attribute>
          <cron><xsl:value-of select="i:when"/></cron>
          <xsl:call-template name="clock-change"/>
          <missed action="skip"/>
        </schedule>
      </i:object>
    </xsl:if>
    <xsl:call-template name="notes"><xsl:with-param name="object" select="concat('/', $base)"/><xsl:with-param name="who" select="string($who)"/></xsl:call-template>
  </xsl:template>

  <!-- cron(8): a job of fixed times that falls into the missing hour runs right after it, and once in a
       repeated hour; one with * for minute or hour follows the clock as it goes. -->
  <xsl:template name="clock-change">
    <xsl:variable name="hour" select="substring-after(i:when, ' ')"/>
    <xsl:choose>
      <xsl:when test="starts-with(i:when, '*') or starts-with($hour, '*') or i:when = '@hourly'">
        <clockChange missingHour="skip" repeatedHour="both"/>
      </xsl:when>
      <xsl:otherwise><clockChange missingHour="atChange" repeatedHour="first"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="script">
    <xsl:choose>
      <xsl:when test="i:input">
        <xsl:text>{&#10;</xsl:text><xsl:value-of select="i:command"/>
        <xsl:text>&#10;} &lt;&lt;'HORARIUM_INPUT'&#10;</xsl:text><xsl:value-of select="i:input"/>
        <xsl:text>&#10;HORARIUM_INPUT&#10;</xsl:text>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="i:command"/><xsl:text>&#10;</xsl:text></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- One note of what is the same, or one for each difference. -->
  <xsl:template name="notes">
    <xsl:param name="object"/>
    <xsl:param name="who"/>
    <xsl:variable name="from">line <xsl:value-of select="@line"/></xsl:variable>
    <xsl:if test="i:when = '@reboot'">
      <xsl:call-template name="note">
        <xsl:with-param name="from" select="$from"/><xsl:with-param name="object" select="$object"/>
        <xsl:with-param name="verdict">lost</xsl:with-param>
        <xsl:with-param name="text">@reboot: nothing starts when a machine does; add an order by hand or from the machine's own start</xsl:with-param>
      </xsl:call-template>
    </xsl:if>
    <xsl:if test="@mailTo != ''">
      <xsl:call-template name="note">
        <xsl:with-param name="from" select="$from"/><xsl:with-param name="object" select="$object"/>
        <xsl:with-param name="verdict">differs</xsl:with-param>
        <xsl:with-param name="text">MAILTO=<xsl:value-of select="@mailTo"/>: the output is kept as the task's log instead of mailed</xsl:with-param>
      </xsl:call-template>
    </xsl:if>
    <xsl:if test="not(@home)">
      <xsl:call-template name="note">
        <xsl:with-param name="from" select="$from"/><xsl:with-param name="object" select="$object"/>
        <xsl:with-param name="verdict">differs</xsl:with-param>
        <xsl:with-param name="text">cron starts it in the user's home folder; set execution/@directory if it counts on that</xsl:with-param>
      </xsl:call-template>
    </xsl:if>
    <xsl:if test="$who = ''">
      <xsl:call-template name="note">
        <xsl:with-param name="from" select="$from"/><xsl:with-param name="object" select="$object"/>
        <xsl:with-param name="verdict">differs</xsl:with-param>
        <xsl:with-param name="text">it runs as the agent's user: --run-as names the crontab's owner</xsl:with-param>
      </xsl:call-template>
    </xsl:if>
    <xsl:if test="i:when != '@reboot' and not(@mailTo != '') and @home and $who != ''">
      <xsl:call-template name="note">
        <xsl:with-param name="from" select="$from"/><xsl:with-param name="object" select="$object"/>
        <xsl:with-param name="verdict">maps</xsl:with-param>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
