#!/usr/bin/python3
"""The example's end of day from its documents to the page: the same truth in service, command line, tables, log and page."""
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import contains, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

NODES = ["fetch", "check", "load", "aggregate", "by-book", "by-currency", "rejects", "compress", "verify", "alarm"]


def page(trial, path, cookie=None):
    return trial.get("supervisor", path, {"Cookie": cookie} if cookie else {})


def sign_in(trial):
    """The session cookie of a sign-in through the form, as a browser does it."""
    import http.client
    import ssl
    context = ssl.create_default_context(cafile=trial.path("certificates", "ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", trial.port("supervisor"), context=context, timeout=20)
    connection.request("POST", "/controller/do/sign-in", urllib.parse.urlencode({"user": "admin", "password": "trial-password"}),
                       {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    equal(answer.status, 303, "signing in leads on")
    cookie = answer.getheader("Set-Cookie") or ""
    ok("HttpOnly" in cookie and "Secure" in cookie and "SameSite=Strict" in cookie, "the session cookie is protected", cookie)
    return cookie.split(";")[0]


def test():
    with Trial() as trial:
        trial.start()
        equal(trial.run("validate")[0], 0, "the examples are valid")
        number = trial.deploy()
        equal(number, "1", "the first release has number 1")
        order = trial.add("/finance/eod")
        equal(trial.wait_state(order), "succeeded", "the end of day succeeds")

        answer = trial.order(order)
        nodes = {n.findtext("t:id", namespaces=NS): n for n in answer.findall("sup:node", NS)}
        equal(sorted(nodes), sorted(NODES), "the answer has every node")
        states = {name: node.findtext("t:state", namespaces=NS) for name, node in nodes.items()}
        equal(states, {**{name: "succeeded" for name in NODES}, "alarm": "skipped"}, "all ran but the alarm")
        tasks = [(t.findtext("t:node", namespaces=NS), t.findtext("t:attempt", namespaces=NS), t.findtext("t:exitCode", namespaces=NS),
                  t.findtext("t:outcome", namespaces=NS)) for t in answer.findall("sup:task", NS)]
        ok(("fetch", "1", "75", "failure") in tasks, "the first fetch failed with 75", tasks)
        ok(("fetch", "2", "0", "success") in tasks, "the second fetch succeeded", tasks)
        equal(len(tasks), 10, "ten attempts in all")
        outputs = {o.get("name"): o.text for t in answer.findall("sup:task", NS) for o in t.findall("t:output", NS)}
        equal(outputs.get("rows"), "1997", "an output: rows")
        equal(outputs.get("rejected"), "3", "an output: rejected")
        equal(outputs.get("loaded"), "1997", "an output: loaded")
        ok(all(t.findtext("t:startedAt", namespaces=NS) and t.findtext("t:endedAt", namespaces=NS) for t in answer.findall("sup:task", NS)),
           "every attempt has its times")

        started = {t.findtext("t:node", namespaces=NS): t.findtext("t:startedAt", namespaces=NS) for t in answer.findall("sup:task", NS)}
        ended = {t.findtext("t:node", namespaces=NS): t.findtext("t:endedAt", namespaces=NS) for t in answer.findall("sup:task", NS)}
        ok(started["load"] >= ended["check"] and started["compress"] >= max(ended["by-book"], ended["by-currency"]),
           "no node started before those that it follows")

        work = trial.path("examples", "work", order)
        with open(os.path.join(work, "books.txt")) as f:
            contains(f.read(), "commodity", "the report on disk is real")

        log = trial.run("log", f"{order}:check:1")[1]
        contains(log, "rejected=3", "the command line shows the log")
        contains(trial.run("log", f"{order}:fetch:1")[1], "not ready", "standard error is in the log")
        contains(trial.run("history")[1], order, "the order is in the history")
        contains(trial.run("order", "show", order)[1], "succeeded", "the table for people says succeeded")

        rows = trial.sql("SELECT state, chain FROM order_run WHERE order_id = ?", order)
        equal(rows, [("succeeded", "/finance/eod")], "the order's row")
        rows = trial.sql("SELECT node, attempt, exit_code, outcome FROM task_run WHERE order_id = ? ORDER BY node, attempt", order)
        equal(len(rows), 10, "ten rows of attempts")
        ok(("fetch", 1, 75, "failure") in rows and ("verify", 1, 0, "success") in rows, "rows carry exit code and outcome", rows)

        equal(page(trial, "/controller/orders")[0] in (200, 303, 401), True, "pages want a session")
        ok(order not in page(trial, "/controller/orders")[1], "without a session no page shows an order")
        cookie = sign_in(trial)
        for path, part in [("/controller/overview", "succeeded"), (f"/controller/orders?text={order}", order), (f"/controller/order?id={order}", "by-currency"),
                           (f"/controller/log?task={order}:check:1", "rejected=3"), ("/controller/history", order), ("/controller/releases", "deployed"),
                           ("/controller/plan", "/demo/heartbeat"), ("/controller/chains", "/finance/eod")]:
            status, text = page(trial, path, cookie)
            ok(status == 200 and part in text, f"page {path} shows it", status, text[:2000])
        status, text = page(trial, f"/controller/order?id={order}&format=xml", cookie)
        contains(text, "GetOrderResponse", "the page's own document is a service answer")


main(test)
