<?xml version="1.0" encoding="UTF-8"?>
<!-- run_time, schedules and holidays. A Horarium schedule has one set of days and one set of times; a run_time
     may have other periods for each day, and then becomes several schedules. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:i="urn:horarium:import:1"
                xmlns="urn:horarium:configuration:1" exclude-result-prefixes="i">

  <!-- The context is a run_time. -->
  <xsl:template name="schedules">
    <xsl:param name="base"/>
    <xsl:param name="chain"/>
    <xsl:param name="arguments" select="/.."/>
    <xsl:variable name="folder" select="ancestor::i:file/@folder"/>
    <xsl:variable name="wanted">
      <xsl:choose>
        <xsl:when test="starts-with(@schedule, '/')"><xsl:value-of select="substring(@schedule, 2)"/></xsl:when>
        <xsl:when test="@schedule and $folder != ''"><xsl:value-of select="concat($folder, '/', @schedule)"/></xsl:when>
        <xsl:otherwise><xsl:value-of select="@schedule"/></xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <xsl:variable name="named" select="key('file', concat('schedule ', $wanted))/schedule"/>
    <xsl:if test="@schedule and not($named)">
      <xsl:call-template name="tell"><xsl:with-param name="text">its schedule <xsl:value-of select="@schedule"/> is not in this folder</xsl:with-param></xsl:call-template>
    </xsl:if>
    <xsl:variable name="times" select="current()[not(@schedule)] | $named"/>
    <xsl:for-each select="$times">
      <xsl:variable name="root" select="."/>
      <!-- Every element that has periods of its own, and the run_time itself when it has. -->
      <xsl:variable name="groups" select="self::*[period or @single_start or @repeat or @absolute_repeat or @let_run = 'yes']
          | weekdays/day | monthdays/day | monthdays/weekday | ultimos/day | month/weekdays/day | month/monthdays/day | month/monthdays/weekday
          | month/ultimos/day | month[period] | date | at"/>
      <xsl:for-each select="$groups">
        <xsl:variable name="suffix"><xsl:if test="count($groups) &gt; 1">-<xsl:value-of select="position()"/></xsl:if></xsl:variable>
        <xsl:call-template name="schedule">
          <xsl:with-param name="file" select="concat($base, $suffix)"/><xsl:with-param name="chain" select="$chain"/>
          <xsl:with-param name="root" select="$root"/><xsl:with-param name="arguments" select="$arguments"/>
        </xsl:call-template>
      </xsl:for-each>
      <xsl:if test="not($groups)">
        <xsl:call-template name="tell"><xsl:with-param name="text">its run_time starts nothing</xsl:with-param></xsl:call-template>
      </xsl:if>
    </xsl:for-each>
  </xsl:template>

  <!-- The context is the element with the periods. -->
  <xsl:template name="schedule">
    <xsl:param name="file"/>
    <xsl:param name="chain"/>
    <xsl:param name="root"/>
    <xsl:param name="arguments"/>
    <xsl:variable name="name"><xsl:call-template name="last"><xsl:with-param name="path" select="$file"/></xsl:call-template></xsl:variable>
    <xsl:variable name="rule"><xsl:call-template name="rule"/></xsl:variable>
    <xsl:variable name="date" select="self::date/@date | self::at/@at"/>
    <xsl:variable name="periods" select="period | self::*[not(period)]"/>
    <xsl:variable name="starts" select="$periods[@single_start or @repeat or @absolute_repeat or (@let_run = 'yes' and @begin)] | self::at"/>
    <xsl:choose>
      <xsl:when test="not($starts)">
        <xsl:call-template name="tell"><xsl:with-param name="text">a period without start times only allows starts: orders start when they are added</xsl:with-param></xsl:call-template>
      </xsl:when>
      <xsl:otherwise>
        <xsl:if test="$rule != '' or $date">
          <i:object file="{$file}-days.calendar.xml">
            <calendar><include>
              <xsl:choose>
                <xsl:when test="$date"><date><xsl:value-of select="substring($date, 1, 10)"/></date></xsl:when>
                <xsl:otherwise><rule><xsl:value-of select="$rule"/></rule></xsl:otherwise>
              </xsl:choose>
            </include></calendar>
          </i:object>
        </xsl:if>
        <xsl:for-each select="$root/holidays"><xsl:call-template name="working-days"><xsl:with-param name="file" select="$file"/></xsl:call-template></xsl:for-each>
        <i:object file="{$file}.schedule.xml">
          <schedule chain="{$chain}">
            <xsl:attribute name="timeZone"><xsl:choose><xsl:when test="$root/@time_zone"><xsl:value-of select="$root/@time_zone"/></xsl:when><xsl:otherwise><xsl:value-of select="$zone"/></xsl:otherwise></xsl:choose></xsl:attribute>
            <xsl:if test="$root/@valid_from"><xsl:attribute name="validFrom"><xsl:value-of select="substring($root/@valid_from, 1, 10)"/></xsl:attribute></xsl:if>
            <xsl:if test="$root/@valid_to"><xsl:attribute name="validTo"><xsl:value-of select="substring($root/@valid_to, 1, 10)"/></xsl:attribute></xsl:if>
            <xsl:choose>
              <xsl:when test="$rule != '' or $date"><days calendar="{$name}-days"/></xsl:when>
              <xsl:when test="parent::weekdays"><days><xsl:attribute name="weekdays"><xsl:call-template name="weekdays"><xsl:with-param name="text" select="normalize-space(@day)"/></xsl:call-template></xsl:attribute></days></xsl:when>
            </xsl:choose>
            <xsl:for-each select="$starts"><xsl:call-template name="start"/></xsl:for-each>
            <xsl:if test="$root/holidays">
              <xsl:variable name="when" select="($starts/@when_holiday | @when_holiday | $root/@when_holiday)[1]"/>
              <nonWorkingDay calendar="{$name}-working">
                <xsl:attribute name="action">
                  <xsl:choose>
                    <xsl:when test="$when = 'ignore_holiday'">ignore</xsl:when>
                    <xsl:when test="$when = 'previous_non_holiday'">before</xsl:when>
                    <xsl:when test="$when = 'next_non_holiday'">after</xsl:when>
                    <xsl:otherwise>skip</xsl:otherwise>
                  </xsl:choose>
                </xsl:attribute>
              </nonWorkingDay>
            </xsl:if>
            <xsl:for-each select="$arguments">
              <argument>
                <xsl:attribute name="name"><xsl:call-template name="variable-name"><xsl:with-param name="text" select="@name"/></xsl:call-template></xsl:attribute>
                <xsl:call-template name="literal"><xsl:with-param name="text" select="string(@value)"/></xsl:call-template>
              </argument>
            </xsl:for-each>
          </schedule>
        </i:object>
        <xsl:if test="$starts/@repeat">
          <xsl:call-template name="tell"><xsl:with-param name="verdict">differs</xsl:with-param><xsl:with-param name="text">repeat counts from the end of the run before; here starts are at fixed times</xsl:with-param></xsl:call-template>
        </xsl:if>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="last">
    <xsl:param name="path"/>
    <xsl:choose>
      <xsl:when test="contains($path, '/')"><xsl:call-template name="last"><xsl:with-param name="path" select="substring-after($path, '/')"/></xsl:call-template></xsl:when>
      <xsl:otherwise><xsl:value-of select="$path"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- "6:30" and "06:30:00" as times of day. -->
  <xsl:template name="time">
    <xsl:param name="text"/>
    <xsl:if test="substring-before($text, ':') != '' and string-length(substring-before($text, ':')) = 1">0</xsl:if>
    <xsl:value-of select="$text"/>
  </xsl:template>

  <xsl:template name="start">
    <xsl:choose>
      <xsl:when test="self::at"><at time="{substring(@at, 12)}"/></xsl:when>
      <xsl:when test="@single_start"><at><xsl:attribute name="time"><xsl:call-template name="time"><xsl:with-param name="text" select="@single_start"/></xsl:call-template></xsl:attribute></at></xsl:when>
      <xsl:when test="@repeat or @absolute_repeat">
        <every>
          <xsl:attribute name="interval"><xsl:call-template name="duration"><xsl:with-param name="text" select="(@absolute_repeat | @repeat)[1]"/></xsl:call-template></xsl:attribute>
          <xsl:if test="@begin"><xsl:attribute name="from"><xsl:call-template name="time"><xsl:with-param name="text" select="@begin"/></xsl:call-template></xsl:attribute></xsl:if>
          <xsl:if test="@end"><xsl:attribute name="to"><xsl:call-template name="time"><xsl:with-param name="text" select="@end"/></xsl:call-template></xsl:attribute></xsl:if>
        </every>
      </xsl:when>
      <xsl:otherwise><at><xsl:attribute name="time"><xsl:call-template name="time"><xsl:with-param name="text" select="@begin"/></xsl:call-template></xsl:attribute></at></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- JobScheduler counts Sunday as 0 or 7 and takes names. -->
  <xsl:template name="weekdays">
    <xsl:param name="text"/>
    <xsl:variable name="word" select="substring-before(concat($text, ' '), ' ')"/>
    <xsl:variable name="two" select="translate(substring($word, 1, 2), $lower, $upper)"/>
    <xsl:choose>
      <xsl:when test="translate($word, '01234567', '') = ''"><xsl:value-of select="substring('SUMOTUWETHFRSASU', number($word) * 2 + 1, 2)"/></xsl:when>
      <xsl:otherwise><xsl:value-of select="$two"/></xsl:otherwise>
    </xsl:choose>
    <xsl:if test="contains($text, ' ')">
      <xsl:text> </xsl:text>
      <xsl:call-template name="weekdays"><xsl:with-param name="text" select="substring-after($text, ' ')"/></xsl:call-template>
    </xsl:if>
  </xsl:template>

  <!-- The rule of RFC 5545 for days that are no plain weekdays; empty otherwise. -->
  <xsl:template name="rule">
    <xsl:variable name="months">
      <xsl:if test="ancestor-or-self::month"><xsl:call-template name="months"><xsl:with-param name="text" select="normalize-space(ancestor-or-self::month/@month)"/></xsl:call-template></xsl:if>
    </xsl:variable>
    <xsl:variable name="in"><xsl:if test="$months != ''">;BYMONTH=<xsl:value-of select="$months"/></xsl:if></xsl:variable>
    <xsl:variable name="days"><xsl:if test="@day"><xsl:call-template name="weekdays"><xsl:with-param name="text" select="normalize-space(@day)"/></xsl:call-template></xsl:if></xsl:variable>
    <xsl:choose>
      <xsl:when test="parent::monthdays and self::day">FREQ=MONTHLY<xsl:value-of select="$in"/>;BYMONTHDAY=<xsl:value-of select="translate(normalize-space(@day), ' ', ',')"/></xsl:when>
      <xsl:when test="self::weekday">FREQ=MONTHLY<xsl:value-of select="$in"/>;BYDAY=<xsl:value-of select="concat(@which, translate($days, ' ', ','))"/></xsl:when>
      <xsl:when test="parent::ultimos">FREQ=MONTHLY<xsl:value-of select="$in"/>;BYMONTHDAY=<xsl:call-template name="from-the-end"><xsl:with-param name="text" select="normalize-space(@day)"/></xsl:call-template></xsl:when>
      <xsl:when test="$months != '' and parent::weekdays">FREQ=DAILY<xsl:value-of select="$in"/>;BYDAY=<xsl:value-of select="translate($days, ' ', ',')"/></xsl:when>
      <xsl:when test="$months != ''">FREQ=DAILY<xsl:value-of select="$in"/></xsl:when>
    </xsl:choose>
  </xsl:template>

  <!-- ultimos: 0 is the last day of the month. -->
  <xsl:template name="from-the-end">
    <xsl:param name="text"/>
    <xsl:value-of select="-1 - number(substring-before(concat($text, ' '), ' '))"/>
    <xsl:if test="contains($text, ' ')">,<xsl:call-template name="from-the-end"><xsl:with-param name="text" select="substring-after($text, ' ')"/></xsl:call-template></xsl:if>
  </xsl:template>

  <xsl:template name="months">
    <xsl:param name="text"/>
    <xsl:variable name="word" select="translate(substring-before(concat($text, ' '), ' '), $upper, $lower)"/>
    <xsl:choose>
      <xsl:when test="translate($word, '0123456789', '') = ''"><xsl:value-of select="number($word)"/></xsl:when>
      <xsl:otherwise><xsl:value-of select="string-length(substring-before('janfebmaraprmayjunjulaugsepoctnovdec', substring($word, 1, 3))) div 3 + 1"/></xsl:otherwise>
    </xsl:choose>
    <xsl:if test="contains($text, ' ')">,<xsl:call-template name="months"><xsl:with-param name="text" select="substring-after($text, ' ')"/></xsl:call-template></xsl:if>
  </xsl:template>

  <!-- ================ holidays ================ -->
  <!-- The context is holidays inside a run_time: every day that is none. -->
  <xsl:template name="working-days">
    <xsl:param name="file"/>
    <i:object file="{$file}-working.calendar.xml">
      <calendar>
        <xsl:if test="holiday or weekdays/day or include"><exclude><xsl:call-template name="holiday-set"/></exclude></xsl:if>
      </calendar>
    </i:object>
  </xsl:template>

  <xsl:template name="holiday-set">
    <xsl:for-each select="weekdays/day">
      <rule>FREQ=WEEKLY;BYDAY=<xsl:variable name="days"><xsl:call-template name="weekdays"><xsl:with-param name="text" select="normalize-space(@day)"/></xsl:call-template></xsl:variable><xsl:value-of select="translate($days, ' ', ',')"/></rule>
    </xsl:for-each>
    <xsl:for-each select="holiday"><date><xsl:value-of select="@date"/></date></xsl:for-each>
    <xsl:for-each select="include">
      <calendar>
        <xsl:attribute name="ref">
          <xsl:call-template name="reference"><xsl:with-param name="to" select="substring-before(concat(@live_file, @file, '.holidays.xml'), '.holidays.xml')"/></xsl:call-template>
        </xsl:attribute>
      </calendar>
    </xsl:for-each>
  </xsl:template>

  <xsl:template match="i:file[@kind = 'holidays']">
    <xsl:variable name="object"><xsl:call-template name="object"/></xsl:variable>
    <i:object file="{substring($object, 2)}.calendar.xml">
      <calendar title="Holidays"><xsl:for-each select="holidays"><include><xsl:call-template name="holiday-set"/></include></xsl:for-each></calendar>
    </i:object>
    <xsl:call-template name="tell"><xsl:with-param name="verdict">maps</xsl:with-param></xsl:call-template>
  </xsl:template>

  <!-- A schedule object is written once for every order that names it. -->
  <xsl:template match="i:file[@kind = 'schedule']">
    <xsl:choose>
      <xsl:when test="schedule/@substitute">
        <xsl:call-template name="tell"><xsl:with-param name="text">it stands in for <xsl:value-of select="schedule/@substitute"/>: write a substitute element into the schedules made from that one</xsl:with-param></xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:call-template name="tell"><xsl:with-param name="verdict">differs</xsl:with-param><xsl:with-param name="text">it is repeated in the schedule of every order that names it</xsl:with-param></xsl:call-template></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
