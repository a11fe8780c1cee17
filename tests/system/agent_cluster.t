#!/usr/bin/python3
"""Three agents: members take turns, the leader dies and another goes on, a lost member's tasks follow their rule."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from agents import Agents, NS  # noqa: E402
from tap import diag, equal, main, ok  # noqa: E402

NAMES = ["a1", "a2", "a3"]
WAIT = '<job{c}><parameter name="file" required="true"/><script><![CDATA[\necho "$HORARIUM_TASK $HORARIUM_AGENT" >>"$HORARIUM_PARAM_FILE.starts"\n' \
       'read line <"$HORARIUM_PARAM_FILE.$HORARIUM_AGENT"\n]]></script><terminate signal="TERM" grace="PT1S"/>%s</job>'
DOCUMENTS = {
    "say.job": '<job{c}><script>echo "here is $HORARIUM_AGENT"</script></job>',
    "hold.job": WAIT % "",
    "again.job": WAIT % '<agentLoss action="restart"/>',
    "say.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><node id="s" job="/say"/></jobChain>',
    "hold.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><parameter name="file" required="true"/>'
                  '<node id="w" job="/hold"/></jobChain>',
    "again.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><parameter name="file" required="true"/>'
                   '<node id="w" job="/again"/></jobChain>',
}


def pipes(agents, name):
    for agent in NAMES:
        os.mkfifo(agents.path(f"{name}.{agent}"))
    return agents.path(name)


def agent_of(events, order):
    return [e["agent"] for e in events if e["type"] == "taskStarted" and e["order"] == order]


def test():
    with Agents(NAMES) as agents:
        for name in NAMES:
            agents.start(name)
        leader = agents.leader()
        other = next(n for n in NAMES if n != leader)
        agents.release(1, DOCUMENTS, other)
        ok(True, "a follower takes a release for the leader")
        events = agents.wait_for(other, lambda e: e["type"] == "releaseApplied")
        up = {e["agent"] for e in events if e["type"] == "memberChanged" and e["state"] == "up"}
        while len(up) < 3:
            events = agents.wait_for(other, lambda e: e["type"] == "memberChanged" and e["state"] == "up" and e["agent"] not in up)
            up |= {e["agent"] for e in events if e["type"] == "memberChanged" and e["state"] == "up"}
        equal(up, set(NAMES), "all members get a lease")
        agents.add([(f"s{i}", "/say") for i in range(20)], other)
        for i in range(20):
            agents.wait_end(f"s{i}", other)
        equal({agents.state(f"s{i}", n) for i in range(20) for n in NAMES if n == other}, {"succeeded"}, "orders run")
        starts = agents.events(other, limit=10000)[1]
        used = {e["agent"] for e in starts if e["type"] == "taskStarted"}
        ok("a1" in used, "the first by priority has tasks", used)

        hold, again = pipes(agents, "hold"), pipes(agents, "again")
        agents.add([("h", "/hold")], other, arguments={"file": hold})
        agents.add([("r", "/again")], other, arguments={"file": again})
        events = agents.wait_for(other, lambda e: e["type"] == "taskStarted" and e["order"] == "r")
        if not agent_of(events, "h"):
            events += agents.wait_for(other, lambda e: e["type"] == "taskStarted" and e["order"] == "h")
        victim = agent_of(events, "r")[0]
        alive = next(n for n in NAMES if n != victim)
        leads = agents.leader() == victim
        diag(f"the tasks run on {victim}, which {'leads' if leads else 'follows'}")
        start = time.monotonic()
        agents.stop(victim, signal.SIGKILL)
        agents.wait_for(alive, lambda e: e["type"] == "taskInDoubt" and e["order"] == "h")
        ok(True, "the hold task of the dead member is in doubt")
        diag(f"after {time.monotonic() - start:.1f} s")
        agents.add([("t", "/say")], alive)
        agents.wait_end("t", alive)
        ok(True, "the others go on")
        events = agents.wait_for(alive, lambda e: e["type"] == "taskStarted" and e["order"] == "r" and e["agent"] != victim)
        moved = agent_of(events, "r")[-1]
        ok(moved != victim, "the restart task runs elsewhere")
        diag(f"after {time.monotonic() - start:.1f} s")
        with open(f"{again}.{moved}", "w") as f:
            f.write("x\n")
        agents.wait_end("r", alive)
        equal(agents.state("r", alive), "succeeded", "and ends well")
        with open(f"{hold}.{victim}", "w") as f:
            f.write("x\n")
        agents.start(victim)
        agents.wait_end("h", alive)
        equal(agents.state("h", alive), "succeeded", "the returning member's true outcome counts")
        agents.wait_for(alive, lambda e: e["type"] == "memberChanged" and e["agent"] == victim and e["state"] == "up")
        with open(hold + ".starts") as f:
            equal(len(f.readlines()), 1, "the hold task was started once")
        data, _ = agents.read_log("s0:s:1", next(n for n in NAMES if n != next(e["agent"] for e in starts if e["type"] == "taskStarted"
                                                                                  and e["order"] == "s0")))
        ok(data.startswith("here is a"), "any member gives a log that another has", data)

        leader = agents.leader()
        other = next(n for n in NAMES if n != leader)
        start = time.monotonic()
        agents.stop(leader, signal.SIGKILL)
        while True:
            try:
                agents.add([("u", "/say")], other)
                break
            except Exception as e:  # no leader yet
                if time.monotonic() - start > 20:
                    raise e
        agents.wait_for(other, lambda e: e["type"] == "taskStarted" and e["order"] == "u")
        diag(f"leader {leader} killed: the next task started after {time.monotonic() - start:.2f} s")
        ok(time.monotonic() - start < 10, "after the leader's death another one leads")


main(test)
