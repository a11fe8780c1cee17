#!/usr/bin/python3
"""Every action on orders and chains: what it does, and how it is refused in the wrong state."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import contains, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

GATE = """<job xmlns="urn:horarium:configuration:1">
  <parameter name="gate" required="true"/>
  <script shell="/bin/sh"><![CDATA[
echo waiting at the gate
until [ -e "$HORARIUM_PARAM_GATE" ]; do sleep 0.05; done
exit "$(cat "$HORARIUM_PARAM_GATE")"
]]></script>
  <terminate signal="TERM" grace="PT1S"/>
</job>
"""
CHAIN = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow" onFailure="stop">
  <parameter name="gate" required="true"/>
  <node id="first" job="gate"/>
  <node id="second" job="/demo/hello"/>
</jobChain>
"""
STUBBORN = """<job xmlns="urn:horarium:configuration:1">
  <script shell="/bin/sh"><![CDATA[
trap '' TERM
(setsid sh -c 'trap "" TERM; echo $$ >"{pids}.daemon"; while :; do sleep 0.1; done' >/dev/null 2>&1 &)
echo $$ >"{pids}"
while :; do sleep 0.1; done
]]></script>
  <execution timeout="PT{timeout}S"/>
  <terminate signal="TERM" grace="PT1S"/>
</job>
"""
ONE = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow" onFailure="end"><node id="n" job="{job}"/></jobChain>
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def open_gate(trial, name, code):
    path = trial.path(name)
    with open(path + ".new", "w") as f:
        f.write(f"{code}\n")
    os.rename(path + ".new", path)


def refused(trial, words, part, name):
    code, out, err = trial.run(*words, check=False)
    ok(code == 5 and part in out + err, name, f"exit {code}", out, err)


def test():
    with Trial() as trial:
        trial.write("test/gate.job.xml", GATE)
        trial.write("test/gated.chain.xml", CHAIN)
        trial.write("test/stubborn.job.xml", STUBBORN.format(pids=trial.path("pids"), timeout=600))
        trial.write("test/stubborn.chain.xml", ONE.format(job="stubborn"))
        trial.write("test/overdue.job.xml", STUBBORN.format(pids=trial.path("overdue"), timeout=1))
        trial.write("test/overdue.chain.xml", ONE.format(job="overdue"))
        trial.start()
        trial.deploy()

        order = trial.add("/test/gated", f"gate={trial.path('g1')}")
        trial.wait_state(order, "running")
        trial.run("order", "suspend", order, "--reason", "look at it")
        open_gate(trial, "g1", 0)
        equal(trial.wait_state(order, "suspended"), "suspended", "a running order is suspended after its task")
        contains(trial.run("order", "show", order)[1], "suspended", "it says why it does not run")
        refused(trial, ["order", "suspend", order], order, "suspending it again is refused")
        trial.run("order", "resume", order, "--reason", "fine")
        equal(trial.wait_state(order), "succeeded", "resumed, it goes on to its end")
        refused(trial, ["order", "resume", order], order, "an ended order cannot be resumed")
        refused(trial, ["order", "suspend", "no-such-order"], "no-such-order", "an unknown order is named")

        order = trial.add("/test/gated", f"gate={trial.path('g2')}")
        open_gate(trial, "g2", 9)
        equal(trial.wait_state(order, "failed"), "failed", "a failed node stops the order for a person")
        open_gate(trial, "g2", 0)
        trial.run("order", "retry", order, "--reason", "mended")
        equal(trial.wait_state(order), "succeeded", "retried, it succeeds")
        attempts = [t.findtext("t:attempt", namespaces=NS) for t in trial.order(order).findall("sup:task", NS)
                    if t.findtext("t:node", namespaces=NS) == "first"]
        equal(sorted(attempts), ["1", "2"], "both attempts are in the history")

        order = trial.add("/test/gated", f"gate={trial.path('g3')}", "--at", "2099-01-01T00:00:00Z")
        contains(trial.run("order", "show", order)[1], "2099", "a future order says what it waits for")
        trial.run("order", "cancel", order, "--reason", "not needed")
        equal(trial.wait_state(order), "cancelled", "an order that has not started is cancelled")

        order = trial.add("/test/stubborn")
        pid = trial.wait_file(trial.path("pids"), "\n").strip()
        daemon = trial.wait_file(trial.path("pids.daemon"), "\n").strip()
        refused(trial, ["order", "cancel", order], "running", "a running order cannot be cancelled, only killed")
        trial.run("order", "kill", order, "--reason", "stuck")
        equal(trial.wait_state(order), "cancelled", "a killed order ends as cancelled")
        ok(not alive(pid) and not alive(daemon), "the whole tree is gone, the process that left it too")

        order = trial.add("/test/overdue")
        equal(trial.wait_state(order), "failedFinally", "a task over its time limit is killed and fails")
        pids = [trial.wait_file(trial.path(n), "\n").strip() for n in ("overdue", "overdue.daemon")]
        ok(not any(alive(p) for p in pids), "with all of its processes")
        contains(trial.run("order", "show", order)[1].lower(), "time", "the cause names the time limit")

        trial.run("chain", "hold", "/demo/hello", "--reason", "maintenance")
        order = trial.add("/demo/hello", "who=you")
        trial.wait_for(lambda: "held" in trial.run("order", "show", order)[1])
        ok(trial.state(order) not in ("running", "succeeded"), "an order of a held chain waits, and says that it is held")
        trial.run("chain", "release", "/demo/hello", "--reason", "done")
        equal(trial.wait_state(order), "succeeded", "released, it runs")
        contains(trial.run("log", f"{order}:hello:1")[1], "Hello, you.", "with its own parameter")

        order = trial.add("/demo/choices")
        equal(trial.wait_state(order), "warned", "exit code 3 is a warning here")
        states = {n.findtext("t:id", namespaces=NS): n.findtext("t:state", namespaces=NS) for n in trial.order(order).findall("sup:node", NS)}
        equal(states, {"try": "warned", "good": "skipped", "odd": "succeeded", "bad": "skipped", "never": "skipped"}, "outcomes choose the way")

        audit = trial.run("audit")[1]
        ok("ControlOrders" in audit and "mended" in audit, "the audit has the action and its reason", audit)


main(test)
