#!/usr/bin/python3
"""Wrong input at every door: a clear error that names file, line, object and remedy, and nothing changes."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import contains, equal, main, ok  # noqa: E402
from trial import Trial  # noqa: E402

C = 'xmlns="urn:horarium:configuration:1"'
JOB = f'<job {C}><script shell="/bin/sh">true</script></job>'


def chain(nodes, more=""):
    return f'<jobChain {C} agentCluster="/clusters/local"{more}>\n{nodes}\n</jobChain>'


# name, file, document, what the message must contain
DOCUMENTS = [
    ("broken XML", "bad/x.job.xml", f"<job {C}>\n<script>", ["bad/x.job.xml", "2"]),
    ("an unknown attribute", "bad/x.job.xml", f'<job {C} colour="red">\n<script shell="/bin/sh">true</script></job>', ["bad/x.job.xml", "colour"]),
    ("an unknown element", "bad/x.job.xml", f"<job {C}>\n<scrpt>true</scrpt></job>", ["bad/x.job.xml", "scrpt"]),
    ("an entity bomb", "bad/x.job.xml",
     '<!DOCTYPE job [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n' + JOB.replace("true", "&b;"), ["bad/x.job.xml", "DOCTYPE"]),
    ("an external entity", "bad/x.job.xml", '<!DOCTYPE job [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n' + JOB.replace("true", "&a;"),
     ["bad/x.job.xml", "DOCTYPE"]),
    ("an unknown job", "bad/x.chain.xml", chain('<node id="a" job="/no/such"/>'), ["bad/x.chain.xml", "/no/such", "/bad/x"]),
    ("an unknown predecessor", "bad/x.chain.xml", chain('<node id="a" job="/demo/hello"><after node="zz"/></node>'), ["bad/x.chain.xml", "zz"]),
    ("a cycle", "bad/x.chain.xml",
     chain('<node id="a" job="/demo/hello"><after node="b"/></node>\n<node id="b" job="/demo/hello"><after node="a"/></node>'), ["bad/x.chain.xml", "a", "b", "cycle"]),
    ("two nodes of one name", "bad/x.chain.xml", chain('<node id="a" job="/demo/hello"/>\n<node id="a" job="/demo/hello"/>'), ["bad/x.chain.xml", "a"]),
    ("a bad XPath", "bad/x.chain.xml", chain('<node id="a" job="/demo/hello" when="1 + + ("/>'), ["bad/x.chain.xml", "1 + + ("]),
    ("an unknown variable", "bad/x.chain.xml", chain('<node id="a" job="/demo/hello" when="$nobody = 1"/>'), ["bad/x.chain.xml", "nobody"]),
    ("a bad rule", "bad/x.calendar.xml", f"<calendar {C}><include>\n<rule>FREQ=SOMETIMES</rule></include></calendar>", ["bad/x.calendar.xml", "FREQ=SOMETIMES"]),
    ("an unknown zone", "bad/x.schedule.xml", f'<schedule {C} chain="/demo/hello" timeZone="Europe/Atlantis"><at time="10:00"/></schedule>',
     ["bad/x.schedule.xml", "Europe/Atlantis"]),
    ("an impossible time", "bad/x.schedule.xml", f'<schedule {C} chain="/demo/hello"><at time="25:00"/></schedule>', ["bad/x.schedule.xml", "25:00"]),
    ("an unknown chain", "bad/x.schedule.xml", f'<schedule {C} chain="/no/chain"><at time="10:00"/></schedule>', ["bad/x.schedule.xml", "/no/chain"]),
    ("an unknown cluster", "bad/x.chain.xml", f'<jobChain {C} agentCluster="/clusters/none"><node id="a" job="/demo/hello"/></jobChain>',
     ["bad/x.chain.xml", "/clusters/none"]),
    ("a wrong name of a document", "bad/x.thing.xml", JOB, ["bad/x.thing.xml"]),
    ("a root that is not the kind", "bad/x.chain.xml", JOB, ["bad/x.chain.xml"]),
    ("a bad duration", "bad/x.job.xml", JOB.replace("</job>", '<execution timeout="soon"/></job>'), ["bad/x.job.xml", "soon"]),
]


def documents(trial):
    before = trial.run("release", "list", "--xml")[1]
    for name, path, text, parts in DOCUMENTS:
        trial.write(path, text)
        code, out, err = trial.run("validate", check=False)
        message = out + err
        ok(code == 5 and all(p in message for p in parts), f"{name} is refused with file and reason", f"exit {code}", message)
        code, out, err = trial.run("release", "create", "--reason", "no", check=False)
        ok(code == 5 and parts[0] in out + err, f"{name}: no release is made of it", f"exit {code}", out + err)
        os.unlink(trial.path("repository", path))
    equal(trial.run("release", "list", "--xml")[1], before, "the releases are as before")
    equal(trial.run("validate", check=False)[0], 0, "without them the draft is valid again")


def soap(trial, body, headers=None, raw=False):
    data = body if raw else ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>' + body + "</s:Body></s:Envelope>")
    return trial.get("supervisor", "/soap/supervisor", {"Content-Type": "text/xml; charset=utf-8", **(headers or {})}, data.encode())


def services(trial):
    sup = 'xmlns="urn:horarium:supervisor:1"'
    rows = trial.sql("SELECT COUNT(*) FROM order_run")[0][0]
    for name, body, raw, part in [
        ("garbage", "\x00\x01garbage", True, ""), ("an empty body", "", True, ""), ("no envelope", "<a/>", True, ""),
        ("a DOCTYPE", '<!DOCTYPE a><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>', True, ""),
        ("an unknown operation", f"<Explode {sup}/>", False, ""), ("two bodies", f"<WhoAmI {sup}/><WhoAmI {sup}/>", False, ""),
        ("a missing element", f"<GetOrder {sup}/>", False, ""), ("a wrong number", f"<ListReleases {sup}><limit>many</limit></ListReleases>", False, "many"),
        ("nobody signed in", f"<ListReleases {sup}/>", False, "NotAuthenticated"),
        ("a wrong password", f"<Login {sup}><user>admin</user><password>wrong-password</password></Login>", False, "NotAuthenticated"),
    ]:
        status, text = soap(trial, body, raw=raw)
        ok(status in (400, 401, 403, 500) and part in text, f"{name} is answered with a fault", status, text[:600])
    equal(trial.get("supervisor", "/healthz")[0], 200, "the Supervisor lives on")
    equal(trial.sql("SELECT COUNT(*) FROM order_run")[0][0], rows, "no order came of it")
    for words, part in [(["order", "show", "no-such-order"], "no-such-order"), (["order", "add", "/no/chain"], "/no/chain"), (["deploy", "77"], "77"),
                        (["order", "add", "/demo/slow", "seconds=soon"], "seconds"), (["log", "no:such:1"], "no:such:1")]:
        code, out, err = trial.run(*words, check=False)
        ok(code == 5 and part in out + err, f"{' '.join(words)} is refused by name", f"exit {code}", out + err)
    for words in (["order", "add"], ["no-such-command"], ["order", "list", "--colour", "red"]):
        equal(trial.run(*words, check=False)[0], 2, f"wrong usage: {' '.join(words)}")


def rights(trial):
    with open(trial.path("viewer.password"), "w") as f:
        f.write("viewer-password\n")
    trial.run("user", "add", "eve", "--role", "viewer", "--users", trial.path("settings", "users.xml"), "--password-file", trial.path("viewer.password"))
    session = trial.path("session")
    if os.path.exists(session):
        os.rename(session, session + ".admin")
    eve = ["--user", "eve", "--password-file", trial.path("viewer.password")]
    equal(trial.run(*eve, "order", "list", check=False)[0], 0, "a viewer looks at orders")
    code, out, err = trial.run(*eve, "order", "add", "/demo/hello", check=False)
    ok(code == 5 and "order" in out + err, "a viewer adds no order", out + err)
    code, out, err = trial.run(*eve, "release", "create", check=False)
    equal(code, 5, "a viewer makes no release")
    if os.path.exists(session):
        os.unlink(session)
    if os.path.exists(session + ".admin"):
        os.rename(session + ".admin", session)
    contains(trial.run("audit", "--by", "eve")[1], "eve", "the refused calls are in the audit")


def settings(trial):
    for name in ("supervisor", "m1", "a1"):
        good = trial.path("settings", f"{name}.xml")
        program = trial.program(name)
        done = subprocess.run([program, "--settings", good, "--check-settings"], env=trial.environment, capture_output=True, text=True)
        equal(done.returncode, 0, f"{name}: its settings are good")
        with open(good) as f:
            text = f.read()
        for what, old, new, part in [("a port that is none", 'port="', 'port="x', "port"), ("an unknown element", "  <listen", "  <lissen/>\n  <listen", "lissen"),
                                     ("broken XML", "</", "<", ""), ("a missing certificate", ".crt", ".none", ".none")]:
            bad = trial.path("settings", "bad.xml")
            with open(bad, "w") as f:
                f.write(text.replace(old, new, 1))
            done = subprocess.run([program, "--settings", bad], env=trial.environment, capture_output=True, text=True, timeout=20)
            ok(done.returncode in (3, 4) and "bad.xml" in done.stderr + "bad.xml" * (what == "a missing certificate") and part in done.stderr,
               f"{name}: {what} is told", f"exit {done.returncode}", done.stderr)
            os.unlink(bad)
        done = subprocess.run([program, "--settings", trial.path("none.xml")], env=trial.environment, capture_output=True, text=True, timeout=20)
        ok(done.returncode == 3 and "none.xml" in done.stderr, f"{name}: settings that are not there", done.stderr)
        done = subprocess.run([program], env=trial.environment, capture_output=True, text=True, timeout=20)
        equal(done.returncode, 2, f"{name}: no settings at all is wrong usage")


def started(trial, name):
    """Runs a program that must refuse to start; (exit code, what it wrote)."""
    log = trial.path("log", f"{name}.log")
    size = os.path.getsize(log) if os.path.exists(log) else 0
    done = subprocess.run([trial.program(name), "--settings", trial.path("settings", f"{name}.xml")], env=trial.environment, capture_output=True, text=True,
                          timeout=30)
    text = done.stderr
    if os.path.exists(log):
        with open(log) as f:
            f.seek(size)
            text += f.read()
    return done.returncode, text


def starting(trial):
    trial.kill(*trial.names, sig=15)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", trial.port("m1")))
        s.listen()
        code, text = started(trial, "m1")
        ok(code == 4 and str(trial.port("m1")) in text and "in use" in text, "a port in use is told with its number", code, text)
    journal = trial.path("data", "a1", "journal")
    segment = sorted(n for n in os.listdir(journal) if n.endswith(".xml") and n[0].isdigit())[0]
    path = os.path.join(journal, segment)
    with open(path, "rb") as f:
        good = f.read()
    lines = good.split(b"\n")
    middle = len(lines) // 2
    lines[middle] = lines[middle].replace(b"e", b"f", 1)
    with open(path, "wb") as f:
        f.write(b"\n".join(lines))
    code, text = started(trial, "a1")
    ok(code == 4 and segment in text and str(middle + 1) in text, "a damaged journal is told with file and line", code, text)
    out = subprocess.run([os.path.join(os.path.dirname(trial.program("a1")), "horarium"), "journal", "verify", journal], env=trial.environment,
                         capture_output=True, text=True)
    ok(out.returncode == 1 and segment in out.stdout, "horarium journal verify finds it as well", out.stdout, out.stderr)
    with open(path, "wb") as f:
        f.write(good)
    supervisor = trial.path("settings", "supervisor.xml")
    with open(supervisor) as f:
        text = f.read()
    with open(supervisor, "w") as f:
        f.write(text.replace("Driver=SQLite3", "Driver=NoSuchDriver"))
    code, message = started(trial, "supervisor")
    ok(code == 4 and "NoSuchDriver" in message, "a missing database driver is told by name", code, message)
    with open(supervisor, "w") as f:
        f.write(text.replace("dataDirectory=\"../data/supervisor\"", "dataDirectory=\"/proc/none\""))
    code, message = started(trial, "supervisor")
    ok(code == 4 and "/proc/none" in message, "a data folder that cannot be written is told by name", code, message)
    with open(supervisor, "w") as f:
        f.write(text)
    trial.start()
    order = trial.add("/demo/hello")
    equal(trial.wait_state(order), "succeeded", "afterwards everything works as before")


def test():
    with Trial() as trial:
        trial.start()
        trial.deploy()
        order = trial.add("/demo/hello")
        trial.wait_state(order)
        documents(trial)
        services(trial)
        rights(trial)
        settings(trial)
        starting(trial)


main(test)
