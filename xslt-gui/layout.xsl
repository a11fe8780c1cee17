<?xml version="1.0" encoding="UTF-8"?>
<!-- The frame of every page: landmarks, navigation, messages, foot. A page imports this file and
     gives templates for c:page in the modes title, tools (beside the heading) and content. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="helpers.xsl"/>
  <xsl:output method="html" encoding="UTF-8" indent="no" doctype-system="about:legacy-compat"/>

  <xsl:template match="/c:page">
    <html lang="en" data-theme="{@theme}" data-zone="{@zone}">
      <head>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <title><xsl:apply-templates select="." mode="title"/> · Horarium</title>
        <link rel="icon" type="image/svg+xml" href="/controller/static/icon.svg"/>
        <link rel="stylesheet" href="/controller/static/style.css?v={@static}"/>
        <script src="/controller/static/controller.js?v={@static}" defer="defer"></script>
      </head>
      <body class="page-{@name}" data-page="{@name}" data-position="{@position}">
        <xsl:if test="@live = 'true'"><xsl:attribute name="data-live">true</xsl:attribute></xsl:if>
        <a class="skip" href="#main">Skip to content</a>
        <xsl:call-template name="glyphs"/>
        <header class="top">
          <a class="brand" href="/controller/overview">
            <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
              <circle cx="12" cy="12" r="9.25"/><path d="M7 8.5h7M10 12h7M7 15.5h5"/>
            </svg>
            <span>Horarium</span>
          </a>
          <xsl:if test="string(@user)">
            <form class="search" role="search" action="/controller/orders" method="get">
              <label class="visually-hidden" for="search">Search orders</label>
              <input id="search" type="search" name="text" placeholder="Search orders" value="{f:query('text')}" aria-keyshortcuts="/"/>
            </form>
            <form class="who" action="/controller/do/sign-out" method="post">
              <xsl:call-template name="csrf"/>
              <span class="user"><xsl:value-of select="@user"/></span>
              <button type="submit" class="quiet-button">Sign out</button>
            </form>
          </xsl:if>
        </header>
        <xsl:if test="string(@user)"><xsl:call-template name="navigation"/></xsl:if>
        <main id="main" tabindex="-1">
          <div class="head">
            <h1><xsl:apply-templates select="." mode="title"/></h1>
            <xsl:if test="not(c:fault)"><div class="tools"><xsl:apply-templates select="." mode="tools"/></div></xsl:if>
            <xsl:call-template name="as-of"/>
          </div>
          <xsl:apply-templates select="c:message"/>
          <xsl:choose>
            <xsl:when test="c:fault"><xsl:apply-templates select="c:fault"/></xsl:when>
            <xsl:otherwise><xsl:apply-templates select="." mode="content"/></xsl:otherwise>
          </xsl:choose>
        </main>
        <footer>
          <span>Horarium <xsl:value-of select="@version"/></span>
          <xsl:if test="c:response or c:fault">
            <a>
              <xsl:attribute name="href">
                <xsl:value-of select="concat(@path, '?')"/>
                <xsl:if test="string(@query)"><xsl:value-of select="concat(@query, '&amp;')"/></xsl:if>
                <xsl:text>format=xml</xsl:text>
              </xsl:attribute>
              <xsl:text>This page as XML</xsl:text>
            </a>
          </xsl:if>
          <a href="/controller/help">Help and keys</a>
          <form class="preferences" action="/controller/do/preferences" method="post">
            <xsl:call-template name="csrf"/>
            <xsl:call-template name="return"/>
            <label>Colours
              <select name="theme">
                <xsl:call-template name="option"><xsl:with-param name="value" select="'auto'"/><xsl:with-param name="words" select="'as the system'"/><xsl:with-param name="current" select="@theme"/></xsl:call-template>
                <xsl:call-template name="option"><xsl:with-param name="value" select="'light'"/><xsl:with-param name="current" select="@theme"/></xsl:call-template>
                <xsl:call-template name="option"><xsl:with-param name="value" select="'dark'"/><xsl:with-param name="current" select="@theme"/></xsl:call-template>
              </select>
            </label>
            <label>Times
              <select name="zone">
                <xsl:call-template name="option"><xsl:with-param name="value" select="'utc'"/><xsl:with-param name="words" select="'UTC'"/><xsl:with-param name="current" select="@zone"/></xsl:call-template>
                <xsl:call-template name="option"><xsl:with-param name="value" select="'browser'"/><xsl:with-param name="words" select="'of this browser'"/><xsl:with-param name="current" select="@zone"/></xsl:call-template>
              </select>
            </label>
            <button type="submit" class="quiet-button">Set</button>
          </form>
        </footer>
        <p id="banner" class="banner" role="status" hidden="hidden"></p>
      </body>
    </html>
  </xsl:template>

  <xsl:template match="c:page" mode="title"><xsl:value-of select="@name"/></xsl:template>
  <xsl:template match="c:page" mode="tools"/>
  <xsl:template match="c:page" mode="content"/>

  <xsl:template name="as-of">
    <xsl:variable name="at" select="(c:response//sup:asOf)[1]"/>
    <p class="as-of">
      <span class="live" hidden="hidden"></span>
      <xsl:text>Data as of </xsl:text>
      <xsl:choose>
        <xsl:when test="$at"><xsl:call-template name="time"><xsl:with-param name="at" select="$at"/><xsl:with-param name="full" select="true()"/></xsl:call-template></xsl:when>
        <xsl:otherwise><xsl:call-template name="time"><xsl:with-param name="at" select="@now"/><xsl:with-param name="full" select="true()"/></xsl:call-template></xsl:otherwise>
      </xsl:choose>
    </p>
  </xsl:template>

  <xsl:template name="navigation">
    <nav class="main-nav" aria-label="Main">
      <h2 class="visually-hidden">Operation</h2>
      <ul>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'overview'"/><xsl:with-param name="words" select="'Overview'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'plan'"/><xsl:with-param name="words" select="'Daily plan'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'orders'"/><xsl:with-param name="words" select="'Orders'"/><xsl:with-param name="also" select="'order log confirm'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'chains'"/><xsl:with-param name="words" select="'Job chains'"/><xsl:with-param name="also" select="'chain'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'history'"/><xsl:with-param name="words" select="'History'"/><xsl:with-param name="also" select="'tasks'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'clusters'"/><xsl:with-param name="words" select="'Masters and agents'"/></xsl:call-template>
      </ul>
      <h2>Configuration</h2>
      <ul>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'configuration'"/><xsl:with-param name="words" select="'Objects'"/><xsl:with-param name="also" select="'object'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'validation'"/><xsl:with-param name="words" select="'Validation'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'releases'"/><xsl:with-param name="words" select="'Releases'"/><xsl:with-param name="also" select="'release'"/></xsl:call-template>
      </ul>
      <h2>Records</h2>
      <ul>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'events'"/><xsl:with-param name="words" select="'Events'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'audit'"/><xsl:with-param name="words" select="'Audit'"/></xsl:call-template>
        <xsl:call-template name="nav"><xsl:with-param name="to" select="'sessions'"/><xsl:with-param name="words" select="'Sessions'"/></xsl:call-template>
      </ul>
    </nav>
  </xsl:template>
  <xsl:template name="nav">
    <xsl:param name="to"/>
    <xsl:param name="words"/>
    <xsl:param name="also" select="''"/>
    <li>
      <a href="/controller/{$to}">
        <xsl:choose>
          <xsl:when test="@name = $to"><xsl:attribute name="aria-current">page</xsl:attribute></xsl:when>
          <xsl:when test="contains(concat(' ', $also, ' '), concat(' ', @name, ' '))"><xsl:attribute name="aria-current">true</xsl:attribute></xsl:when>
        </xsl:choose>
        <xsl:value-of select="$words"/>
      </a>
    </li>
  </xsl:template>

  <!-- What became of the action that led here. -->
  <xsl:template match="c:message">
    <div class="message" role="status">
      <xsl:choose>
        <xsl:when test="c:fault"><xsl:attribute name="class">message bad</xsl:attribute><xsl:apply-templates select="c:fault" mode="short"/></xsl:when>
        <xsl:when test="*//sup:result"><xsl:apply-templates select="*" mode="results"/></xsl:when>
        <xsl:when test="*/sup:AddOrderResponse">
          <p>Order <xsl:call-template name="order-link"><xsl:with-param name="id" select="*/sup:AddOrderResponse/sup:order/t:id"/></xsl:call-template> was added.</p>
        </xsl:when>
        <xsl:when test="*//sup:release">
          <p>Release <xsl:value-of select="*//sup:release/t:number"/> is now <xsl:call-template name="state"><xsl:with-param name="state" select="*//sup:release/t:state"/></xsl:call-template></p>
        </xsl:when>
        <xsl:when test="@kind = 'form'"><xsl:attribute name="class">message bad</xsl:attribute><p><xsl:value-of select="@text"/></p></xsl:when>
        <xsl:when test="string(@text)"><p><xsl:value-of select="@text"/></p></xsl:when>
        <xsl:otherwise><p>Done.</p></xsl:otherwise>
      </xsl:choose>
    </div>
  </xsl:template>
  <xsl:template match="*" mode="results">
    <xsl:variable name="results" select=".//sup:result"/>
    <xsl:variable name="refused" select="$results[t:outcome = 'refused']"/>
    <p>
      <xsl:value-of select="count($results[t:outcome = 'done'])"/> done<xsl:if test="$results[t:outcome = 'waiting']">, <xsl:value-of select="count($results[t:outcome = 'waiting'])"/> waiting for a cluster that cannot be reached</xsl:if><xsl:if test="$refused">, <xsl:value-of select="count($refused)"/> refused</xsl:if>.
    </p>
    <xsl:if test="$results[t:outcome != 'done']">
      <ul>
        <xsl:for-each select="$results[t:outcome != 'done'][position() &lt;= 20]">
          <li>
            <xsl:call-template name="state"><xsl:with-param name="state" select="t:outcome"/></xsl:call-template>
            <xsl:text> </xsl:text><span class="id"><xsl:value-of select="t:object"/></span>
            <xsl:if test="string(t:text)">: <xsl:value-of select="t:text"/></xsl:if>
          </li>
        </xsl:for-each>
      </ul>
      <xsl:if test="count($results[t:outcome != 'done']) &gt; 20"><p>And <xsl:value-of select="count($results[t:outcome != 'done']) - 20"/> more.</p></xsl:if>
    </xsl:if>
  </xsl:template>

  <xsl:template match="c:fault">
    <section class="fault" role="alert">
      <h2>
        <xsl:choose>
          <xsl:when test="t:NotFound">Not found</xsl:when>
          <xsl:when test="t:NotAuthorized">Not allowed</xsl:when>
          <xsl:when test="t:InvalidRequest">This request is not valid</xsl:when>
          <xsl:when test="t:Conflict">Changed meanwhile</xsl:when>
          <xsl:when test="t:Busy">Busy, try again</xsl:when>
          <xsl:when test="t:NotActive">Not the active member</xsl:when>
          <xsl:otherwise>This did not work</xsl:otherwise>
        </xsl:choose>
      </h2>
      <xsl:apply-templates select="." mode="short"/>
      <p class="actions"><a class="button" href="/controller/overview">Overview</a></p>
    </section>
  </xsl:template>
  <xsl:template match="c:fault" mode="short">
    <p class="sentence"><xsl:value-of select="*/t:text"/></p>
    <xsl:if test="*/t:problem"><xsl:call-template name="problems"><xsl:with-param name="list" select="*/t:problem"/></xsl:call-template></xsl:if>
    <p class="quiet">
      <xsl:value-of select="*/t:code"/>
      <xsl:if test="string(*/t:field)">, field <xsl:value-of select="*/t:field"/></xsl:if>
      <xsl:if test="string(*/t:correlation)">, logged under <span class="id"><xsl:value-of select="*/t:correlation"/></span></xsl:if>
    </p>
  </xsl:template>
  <xsl:template name="problems">
    <xsl:param name="list"/>
    <div class="scroll" tabindex="0" role="region" aria-label="Problems">
      <table>
        <thead><tr><th scope="col">Severity</th><th scope="col">Where</th><th scope="col">What</th><th scope="col">What to do</th></tr></thead>
        <tbody>
          <xsl:for-each select="$list">
            <tr>
              <td><xsl:call-template name="state"><xsl:with-param name="state" select="t:severity"/></xsl:call-template></td>
              <td class="break">
                <xsl:if test="string(t:object)"><span class="path"><xsl:value-of select="t:object"/></span><br/></xsl:if>
                <span class="quiet"><xsl:value-of select="t:file"/><xsl:if test="t:line">:<xsl:value-of select="t:line"/></xsl:if></span>
              </td>
              <td class="sentence"><xsl:value-of select="t:text"/></td>
              <td class="sentence"><xsl:value-of select="t:remedy"/></td>
            </tr>
          </xsl:for-each>
        </tbody>
      </table>
    </div>
  </xsl:template>

  <!-- One drawing for each tone, used by reference. -->
  <xsl:template name="glyphs">
    <svg class="glyphs" width="0" height="0" aria-hidden="true" focusable="false">
      <symbol id="g-planned" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5"/></symbol>
      <symbol id="g-waiting" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.25"/><path d="M8 4.75V8l2.25 1.5"/></symbol>
      <symbol id="g-running" viewBox="0 0 16 16"><path class="solid" d="M5 3.5v9l7.5-4.5z"/></symbol>
      <symbol id="g-retrying" viewBox="0 0 16 16"><path d="M12.5 8a4.5 4.5 0 1 1-1.4-3.25M11.5 2v3h-3"/></symbol>
      <symbol id="g-succeeded" viewBox="0 0 16 16"><path d="M3.5 8.5l3 3 6-7"/></symbol>
      <symbol id="g-warned" viewBox="0 0 16 16"><path d="M8 3v6.25"/><circle class="solid" cx="8" cy="12.25" r="0.6"/></symbol>
      <symbol id="g-failed" viewBox="0 0 16 16"><path d="M4 4l8 8M12 4l-8 8"/></symbol>
      <symbol id="g-suspended" viewBox="0 0 16 16"><path d="M5.75 3.75v8.5M10.25 3.75v8.5"/></symbol>
      <symbol id="g-indoubt" viewBox="0 0 16 16"><path d="M5.25 6a2.75 2.75 0 1 1 4 2.4c-.9.5-1.25.9-1.25 1.85"/><circle class="solid" cx="8" cy="12.9" r="0.5"/></symbol>
      <symbol id="g-missed" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.25"/><path d="M8 5v3.25M8 10.75v.2"/></symbol>
      <symbol id="g-cancelled" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.25"/><path d="M4.5 11.5l7-7"/></symbol>
      <symbol id="g-skipped" viewBox="0 0 16 16"><path d="M3.5 4l4 4-4 4M8.5 4l4 4-4 4"/></symbol>
    </svg>
  </xsl:template>
</xsl:stylesheet>
