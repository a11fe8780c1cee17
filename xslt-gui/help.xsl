<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:c="urn:horarium:controller:1" xmlns:sup="urn:horarium:supervisor:1"
                xmlns:t="urn:horarium:types:1" xmlns:f="urn:horarium:xslt:1"
                exclude-result-prefixes="c sup t f">
  <xsl:import href="layout.xsl"/>
  <xsl:template match="c:page" mode="title">Help and keys</xsl:template>
  <xsl:template name="as-of"/>
  <xsl:template match="c:page" mode="content">
    <section class="panel" aria-labelledby="keys">
      <h2 id="keys">Keys</h2>
      <p>Keys work when no field has the focus.</p>
      <table>
        <thead><tr><th scope="col">Key</th><th scope="col">What it does</th></tr></thead>
        <tbody>
          <tr><th scope="row"><kbd>/</kbd></th><td>search</td></tr>
          <tr><th scope="row"><kbd>j</kbd> <kbd>k</kbd></th><td>next row, row before</td></tr>
          <tr><th scope="row"><kbd>x</kbd></th><td>select the row</td></tr>
          <tr><th scope="row"><kbd>Enter</kbd></th><td>open the row's link</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>o</kbd></th><td>orders</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>p</kbd></th><td>daily plan</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>v</kbd></th><td>overview</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>c</kbd></th><td>job chains</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>h</kbd></th><td>history</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>a</kbd></th><td>Masters and agents</td></tr>
          <tr><th scope="row"><kbd>g</kbd> <kbd>r</kbd></th><td>releases</td></tr>
          <tr><th scope="row"><kbd>?</kbd></th><td>this page</td></tr>
        </tbody>
      </table>
    </section>
    <section class="panel" aria-labelledby="states">
      <h2 id="states">States</h2>
      <ul class="legend">
        <xsl:for-each select="$states[position() &lt;= 16]"><li><xsl:call-template name="state"><xsl:with-param name="state" select="@n"/></xsl:call-template></li></xsl:for-each>
      </ul>
    </section>
    <section class="panel" aria-labelledby="addresses">
      <h2 id="addresses">Addresses</h2>
      <p>What a page shows stands in its address: bookmark or send a filter, an order, an attempt, a line of a log. With <code>format=xml</code> at its end the address gives the document that the page was made from; the same document comes from the web services.</p>
    </section>
  </xsl:template>
</xsl:stylesheet>
