<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:template match="c:page" mode="title">Sign in</xsl:template>
  <xsl:template name="as-of"/>
  <xsl:template match="c:page" mode="content">
    <form class="sign-in panel" action="/controller/do/sign-in" method="post">
      <input type="hidden" name="next" value="{f:query('next')}"/>
      <label class="field"><span>User</span><input type="text" name="user" autocomplete="username" autocapitalize="none" spellcheck="false" required="required" autofocus="autofocus"/></label>
      <label class="field"><span>Password</span><input type="password" name="password" autocomplete="current-password" required="required"/></label>
      <button type="submit" class="primary">Sign in</button>
    </form>
  </xsl:template>
</xsl:stylesheet>
