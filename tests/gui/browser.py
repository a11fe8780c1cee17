#!/usr/bin/python3
"""A person at the Controller, in a real browser: signs in, releases and deploys the configuration if
that has not been done, starts an order of a chain, follows its log, sees it succeed, looks at every
page in light and dark and on a small screen.

usage: browser.py --url https://127.0.0.1:4443 --user admin (--password P | --password-file F)
                  (--ca CA.crt | --insecure) [--chain /demo/slow] [--node NAME] [--screenshots DIR]

Prints TAP. Waits for what the page shows, never for a while. Needs Debian's python3-selenium,
chromium and chromium-driver.
"""
import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import (NoSuchElementException, StaleElementReferenceException,
                                        TimeoutException)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

ENDS = {"succeeded", "warned", "failed finally", "cancelled", "skipped", "missed", "failed"}


class Tap:
    count = failed = 0

    def ok(self, passed, name):
        self.count += 1
        self.failed += not passed
        print(("ok" if passed else "not ok"), self.count, "-", name.replace("#", ""), flush=True)
        return passed

    def end(self):
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def key_of(certificate):
    """Chromium believes a chain in which this key occurs."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], check=True,
                            capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, check=True,
                         capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


class Person:
    def __init__(self, arguments, tap):
        self.arguments, self.tap = arguments, tap
        self.profile = tempfile.mkdtemp(prefix="horarium-gui-")
        options = webdriver.ChromeOptions()
        for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
                       "--no-first-run", "--disable-background-networking",
                       "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                       "--window-size=1440,1000", "--user-data-dir=" + self.profile):
            options.add_argument(option)
        if arguments.ca:
            options.add_argument("--ignore-certificate-errors-spki-list=" + key_of(arguments.ca))
        elif arguments.insecure:
            options.add_argument("--ignore-certificate-errors")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(30)
        if arguments.screenshots:
            os.makedirs(arguments.screenshots, exist_ok=True)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def go(self, place):
        self.driver.get(self.arguments.url.rstrip("/") + "/controller/" + place)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def has(self, selector):
        return bool(self.all(selector))

    def wait(self, condition, seconds=30):
        """Until the condition holds; pages replace their content meanwhile."""
        try:
            return WebDriverWait(self.driver, seconds, 0.1, (
                NoSuchElementException, StaleElementReferenceException)).until(
                    lambda driver: condition())
        except TimeoutException:
            return False

    def text(self, selector):
        """What stands there now, though the page may replace it while it is read."""
        found = self.wait(lambda: [self.one(selector).text])
        return found[0] if found else ""

    def fill(self, selector, text):
        """A page that shows news may replace the field in the moment between finding and writing."""
        def fill():
            self.one(selector).clear()
            self.one(selector).send_keys(text)
            return True
        self.wait(fill)

    def submit(self, selector):
        """Presses it and waits until another document is there."""
        old = self.one("html")

        def press():
            self.one(selector).click()
            return True
        self.wait(press)
        self.wait(lambda: self.one("html").id != old.id and
                  self.driver.execute_script("return document.readyState") == "complete")

    def picture(self, name):
        if self.arguments.screenshots:
            height = self.driver.execute_script("return document.documentElement.scrollHeight")
            width = self.driver.execute_script("return innerWidth")
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": max(700, min(height, 2400)), "deviceScaleFactor": 1,
                "mobile": width < 600})
            self.driver.save_screenshot(os.path.join(self.arguments.screenshots, name + ".png"))
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def see(self, scheme, width):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})

    def state(self):
        return self.one("#order-state .word").text


def sign_in(person, tap):
    arguments = person.arguments
    person.go("orders?state=failed")
    tap.ok(person.has("form.sign-in"), "without a session one is asked to sign in")
    person.picture("sign-in")
    person.fill("[name=user]", arguments.user)
    person.fill("[name=password]", "not the password")
    person.submit("form.sign-in button")
    tap.ok("wrong" in person.text(".message"), "a wrong password is told")
    person.fill("[name=user]", arguments.user)
    person.fill("[name=password]", arguments.password)
    person.submit("form.sign-in button")
    tap.ok(person.driver.current_url.endswith("/controller/orders?state=failed") and
           arguments.user in person.text(".who"),
           "signed in, one is where one wanted to be: " + person.driver.current_url)
    cookie = person.driver.get_cookie("horarium-session")
    person.go("overview")
    tap.ok(cookie is None or (cookie["httpOnly"] and cookie["sameSite"] == "Strict"),
           "the session's cookie is out of reach for scripts")
    tap.ok("horarium-session" not in person.driver.execute_script("return document.cookie"),
           "and no script sees it")


def deploy(person, tap):
    person.go("chains")
    if person.has("table.rows"):
        return
    person.go("validation")
    tap.ok(person.has(".lead .s-succeeded"), "the draft is valid: " + person.text(".lead"))
    person.picture("validation")
    person.go("releases")
    person.fill(".toolbar [name=reason]", "the first one, <b>by browser</b>")
    person.submit(".toolbar button")
    tap.ok("is now" in person.text(".message"), "a release is made: " + person.text(".message"))
    person.submit("form[action$=approve-release] button")
    tap.ok("approved" in person.text(".message"), "approved: " + person.text(".message"))
    person.submit("form[action$=deploy-release] button")
    tap.ok("deploy" in person.text(".message"), "deployed: " + person.text(".message"))
    tap.ok("<b>by browser</b>" in person.text("table.rows"), "the reason is text")
    person.picture("releases")

    def chains_there():
        person.go("chains")
        return person.has("table.rows")
    tap.ok(person.wait(chains_there), "the chains are there")
    person.picture("chains")


def release(person):
    """Ends a hold, also one that an earlier run left."""
    def free():
        person.go("chain?path=" + urllib.parse.quote(person.arguments.chain, safe=""))
        if person.has("button[value=release]"):
            person.submit("button[value=release]")
            return False
        return True
    return person.wait(free)


def start(person, tap):
    tap.ok(release(person), "the chain is not held")
    person.picture("chain")
    person.fill("form[action$=add-order] [name=title]",
                "started by a browser <script>alert(1)</script>")
    person.fill("form[action$=add-order] [name=reason]", "to see it run")
    person.submit("#start-order")
    order = person.text("h1 .id")
    tap.ok("was added" in person.text(".message"), "an order is started: " + order)
    tap.ok("<script>alert(1)</script>" in person.text("main"), "its title is text")
    return order


def follow(person, tap, order):
    tap.ok(person.wait(lambda: person.has("svg.graph .s-running") or person.state() in ENDS),
           "the page shows that a node runs, without being loaded again")
    person.picture("order-running")
    link = person.wait(lambda: person.one("a[href*='/controller/log?task=']").get_attribute("href"))
    if not tap.ok(bool(link), "its log can be opened"):
        return
    person.driver.get(link)
    tap.ok(person.wait(lambda: len(person.all("#log li")) > 0), "the log has lines")
    first = len(person.all("#log li"))
    tap.ok(person.wait(lambda: len(person.all("#log li")) > first or
                       "complete" in person.text("#log-state")),
           f"and grows while one looks: {first} lines, then more")
    person.picture("log")
    tap.ok(person.wait(lambda: "complete" in person.one("#log-state").text, 120),
           "until the job has ended: " + person.text("#log-state"))
    line = person.all("#log li a.n")[0].get_attribute("href")
    person.driver.get(line)
    tap.ok(person.has("#log li"), "a line has an address")
    person.go("order?id=" + urllib.parse.quote(order, safe=""))
    tap.ok(person.wait(lambda: person.state() in ENDS, 120) and person.state() == "succeeded",
           "the order ends: " + person.state())
    person.picture("order-ended")


def act(person, tap):
    person.go("chain?path=" + urllib.parse.quote(person.arguments.chain, safe=""))
    person.fill("form[action$=control-chain] [name=reason]", "a moment")
    person.submit("form[action$=control-chain] button")
    tap.ok(person.has(".message") and not person.has(".message.bad"),
           "a chain is held: " + person.text(".message").replace("\n", " "))

    def held():
        person.driver.refresh()
        return person.has(".facts .s-suspended")
    tap.ok(person.wait(held), "and shown as held")
    person.submit("#start-order")
    tap.ok(person.wait(lambda: person.has(".why li")),
           "an order of it says why it is not running: " +
           (person.text(".why").replace("\n", " ") if person.has(".why") else "nothing"))
    person.picture("order-held")
    person.submit("button[value=cancel]")
    tap.ok(person.has("[name=confirm]") and "Nothing has been done yet" in person.text("main"),
           "cancelling is previewed")
    person.picture("confirm")
    person.submit(".toolbar .primary")
    tap.ok(person.has(".message") and "1 done" in person.text(".message"),
           "and then done: " + (person.text(".message") if person.has(".message") else ""))
    tap.ok(release(person), "the chain is released")


def keys(person, tap):
    person.go("overview")
    body = person.one("body")
    body.send_keys("/")
    tap.ok(person.driver.switch_to.active_element.get_attribute("id") == "search", "/ searches")
    person.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    body.send_keys("go")
    tap.ok(person.wait(lambda: "/controller/orders" in person.driver.current_url), "g o shows orders")
    person.go("orders?state=ended")
    person.one("body").send_keys("j")
    person.one("body").send_keys("x")
    tap.ok(person.has("tr.at input:checked"), "j and x select the first row")
    person.one("body").send_keys("gp")
    tap.ok(person.wait(lambda: "/controller/plan" in person.driver.current_url), "g p shows the plan")
    person.one("body").send_keys(Keys.TAB)
    tap.ok(person.driver.switch_to.active_element.get_attribute("class") == "skip",
           "the first stop of the Tab key skips to the content")


def look(person, tap, order):
    pages = ["overview", "plan", "orders", "order?id=" + urllib.parse.quote(order, safe=""), "chains",
             "chain?path=" + urllib.parse.quote(person.arguments.chain, safe=""), "history", "tasks",
             "clusters", "configuration", "validation", "releases", "release?number=1", "events",
             "audit", "sessions", "help"]
    problems = []
    for scheme, width in (("light", 1440), ("dark", 1440), ("light", 390)):
        person.see(scheme, width)
        for page in pages:
            person.go(page)
            name = page.split("?")[0]
            if person.has(".fault") or not person.has("main h1"):
                problems.append(f"{name}: {person.text('body')[:200]!r}")
            if person.driver.execute_script(
                    "return document.documentElement.scrollWidth > innerWidth + 1"):
                problems.append(f"{name} is wider than {width}")
            if person.driver.execute_script(
                    "return document.querySelectorAll('main script, main img, [style]').length"):
                problems.append(f"{name} has foreign elements")
            unnamed = person.driver.execute_script("""
                return Array.from(document.querySelectorAll('input:not([type=hidden]), select, button'))
                  .filter(e => !e.labels?.length && !e.getAttribute('aria-label') && !e.textContent.trim()).length""")
            if unnamed:
                problems.append(f"{name} has {unnamed} fields without a label")
            person.picture(f"{name}-{scheme}-{width}")
            person.see(scheme, width)
    for problem in problems:
        print("#", problem)
    tap.ok(not problems, f"{len(pages)} pages fit and hold only what is ours, light, dark and small")
    person.see("light", 1440)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password")
    parser.add_argument("--password-file")
    parser.add_argument("--ca")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--chain", default="/demo/slow")
    parser.add_argument("--screenshots")
    arguments = parser.parse_args()
    if arguments.password is None:
        with open(arguments.password_file, encoding="utf-8") as file:
            arguments.password = file.read().rstrip("\n")
    tap = Tap()
    person = Person(arguments, tap)
    try:
        sign_in(person, tap)
        deploy(person, tap)
        order = start(person, tap)
        follow(person, tap, order)
        act(person, tap)
        keys(person, tap)
        look(person, tap, order)
        person.submit(".who button")
        tap.ok(person.has("form.sign-in"), "signed out")
        person.go("overview")
        tap.ok(person.has("form.sign-in"), "the session is over")
        logged = [entry["message"] for entry in person.driver.get_log("browser")
                  if entry["level"] == "SEVERE" and " 401 " not in entry["message"]]
        for line in logged:
            print("#", line[:300])
        tap.ok(not logged, "the browser had nothing to complain about")
    except Exception as problem:  # the plan must still be printed, and the picture kept
        person.picture("failure")
        print("#", type(problem).__name__, str(problem).split("\n")[0])
        print("#", person.driver.current_url)
        for line in person.text("body").split("\n")[:40]:
            print("#", line)
        tap.ok(False, "went through to the end")
    finally:
        person.close()
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
