#!/usr/bin/python3
"""One agent and its runner, driven as a Master drives them: a chain runs, fails, is commanded, survives restarts."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from agents import Agents, Fault, NS  # noqa: E402
from tap import contains, equal, main, ok  # noqa: E402

DOCUMENTS = {
    "count.job": '<job{c}><parameter name="dir" default="none"/><script shell="/bin/sh"><![CDATA[\n'
                 'echo "counting for $HORARIUM_ORDER in $HORARIUM_PARAM_DIR"\necho "rows=42" >>"$HORARIUM_OUTPUT"\n]]></script></job>',
    "use.job": '<job{c}><parameter name="rows" required="true"/><command program="/bin/echo"><argument>got {$rows} rows</argument>'
               '</command></job>',
    "fail.job": '<job{c}><script>exit 3</script><returnCodes success="0"/></job>',
    "wait.job": '<job{c}><parameter name="file" required="true"/><script><![CDATA[\n'
                'echo "$HORARIUM_TASK $HORARIUM_FENCE" >>"$HORARIUM_PARAM_FILE.starts"\nread line <"$HORARIUM_PARAM_FILE"\n'
                'echo "read $line"\n]]></script><terminate signal="TERM" grace="PT2S"/></job>',
    "good.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><parameter name="dir" default="x"/><node id="count" job="/count"/>'
                  '<node id="use" job="/use"><argument name="rows">{$nodes/node[@id=\'count\']/output[@name=\'rows\']}</argument></node>'
                  '</jobChain>',
    "bad.chain": '<jobChain{c} agentCluster="/clusters/etl"><node id="f" job="/fail"/><node id="after" job="/count"/></jobChain>',
    "wait.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><parameter name="file" required="true"/>'
                  '<node id="w" job="/wait"/></jobChain>',
}


def test():
    with Agents(["a1"]) as agents:
        agents.start("a1")
        coupled = agents.call("<Couple ><master>main</master><afterEvent>0</afterEvent></Couple>", "a1")
        equal(coupled.findtext("agt:state", "", NS), "coupled", "a Master couples")
        try:
            agents.add([("o0", "/good")], "a1")
            ok(False, "an order without its release is refused")
        except Fault as fault:
            equal(fault.code, "NotFound", "an order without its release is refused")
        agents.release(1, DOCUMENTS, "a1")
        equal(agents.add([("o1", "/good")], "a1", arguments={"dir": "a b"}), (1, 0), "an order is taken")
        equal(agents.add([("o1", "/good")], "a1"), (0, 1), "and known when it comes again")
        events = agents.wait_end("o1", "a1")
        equal([e["state"] for e in events if e["type"] == "orderEnded"], ["succeeded"], "the chain runs to its end")
        ended = [e for e in events if e["type"] == "taskEnded"]
        equal([e.get("exitCode") for e in ended], ["0", "0"], "two tasks ended with exit code 0")
        ok(all(e.get("startedAt") and e.get("cpuMs") and int(e["logBytes"]) > 0 for e in ended), "with times, usage and log size")
        equal(agents.read_log("o1:count:1", "a1"), ("counting for o1 in a b\n", "true"), "the log tells of parameters and context")
        equal(agents.read_log("o1:use:1", "a1")[0], "got 42 rows\n", "an output reached the next node")

        agents.add([("o2", "/bad")], "a1")
        agents.wait_for("a1", lambda e: e["type"] == "orderFailed" and e["order"] == "o2")
        equal(agents.state("o2", "a1"), "failed", "a failure stops the order")
        why = [o.findtext("t:text", "", NS) for o in agents.order("o2", "a1").findall("t:obstacle", NS)]
        contains(" ".join(why), "node f failed: exit code 3", "and the obstacle says why")
        equal(agents.command("skipNode", "a1", order="o2", node="f"), ("done", ""), "a person skips the node")
        agents.wait_end("o2", "a1")
        outcome, text = agents.command("suspend", "a1", order="o2")
        equal(outcome, "refused", "a command on an order that has ended is refused")
        contains(text, "o2", "the sentence names it")

        pipe = agents.path("pipe")
        os.mkfifo(pipe)
        agents.add([("o3", "/wait")], "a1", arguments={"file": pipe})
        agents.wait_for("a1", lambda e: e["type"] == "taskStarted" and e["order"] == "o3")
        equal(agents.stop("a1", signal.SIGKILL), -9, "the agent is killed while a task runs")
        agents.start("a1")
        equal(agents.state("o3", "a1"), "running", "after the restart the order runs")
        with open(pipe, "w") as f:
            f.write("hello\n")
        events = agents.wait_end("o3", "a1")
        equal([e["state"] for e in events if e["type"] == "orderEnded" and e["order"] == "o3"], ["succeeded"], "the task's end was not missed")
        with open(pipe + ".starts") as f:
            equal(len(f.readlines()), 1, "and it was started once")
        equal(agents.read_log("o3:w:1", "a1")[0], "read hello\n", "its log is whole")

        agents.add([("o4", "/wait")], "a1", arguments={"file": pipe})
        agents.wait_for("a1", lambda e: e["type"] == "taskStarted" and e["order"] == "o4")
        equal(agents.command("kill", "a1", order="o4"), ("done", ""), "an order is killed")
        events = agents.wait_end("o4", "a1")
        equal([e["state"] for e in events if e["type"] == "orderEnded" and e["order"] == "o4"], ["cancelled"], "and ends cancelled")

        pipe2 = agents.path("pipe2")
        os.mkfifo(pipe2)
        agents.add([("o5", "/wait")], "a1", arguments={"file": pipe2})
        agents.wait_for("a1", lambda e: e["type"] == "taskStarted" and e["order"] == "o5")
        agents.stop("a1", signal.SIGKILL)
        with open(pipe2, "w") as f:
            f.write("while it was down\n")
        agents.start("a1")
        agents.wait_end("o5", "a1")
        equal(agents.read_log("o5:w:1", "a1")[0], "read while it was down\n", "a task that ended while the agent was down counts")

        position, _ = agents.events("a1", limit=10000)
        run = agents.call("<Ping/>", "a1").findtext("agt:runId", "", NS)
        agents.call(f"<AcknowledgeEvents ><master>main</master><runId>{run}</runId><upTo>{position}</upTo></AcknowledgeEvents>", "a1")
        try:
            agents.call(f"<AcknowledgeEvents ><master>main</master><runId>{run}</runId><upTo>{position + 1000}</upTo></AcknowledgeEvents>", "a1")
            ok(False, "acknowledging beyond the end is refused")
        except Fault as fault:
            equal(fault.code, "InvalidRequest", "acknowledging beyond the end is refused")
        equal(agents.add([("o1", "/good")], "a1"), (0, 1), "an order that was acknowledged does not run again")
        for certificate, code in (("stranger", "NotAuthenticated"), (None, "NotAuthenticated")):
            try:
                agents.call("<Ping/>", "a1", certificate)
                ok(False, f"{certificate} is refused")
            except Fault as fault:
                equal(fault.code, code, f"a caller with certificate {certificate} is refused")
        equal(agents.stop("a1"), 0, "SIGTERM ends it cleanly")


main(test)
