#!/usr/bin/python3
"""Every program is killed (-9) in the middle of work and started again: nothing is lost and nothing runs twice.

Jobs record their own starts and ends in files of their own, which are compared with the history."""
import collections
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import diag, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

JOB = """<job xmlns="urn:horarium:configuration:1">
  <script shell="/bin/sh"><![CDATA[
echo "start $HORARIUM_TASK $HORARIUM_FENCE" >>{record}
sleep 0.{delay}
echo "end $HORARIUM_TASK" >>{record}
exit {code}
]]></script>
</job>
"""
CHAIN = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow">
  <node id="one" job="quick"/>
  <node id="two" job="slow"/>
  <node id="left" job="quick"><after node="two"/></node>
  <node id="right" job="slow"><after node="two"/></node>
  <node id="last" job="quick"><after node="left"/><after node="right"/></node>
</jobChain>
"""
NODES = 5


def test():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    rounds = int(os.environ.get("ROUNDS", 6))
    diag(f"SEED={seed} ROUNDS={rounds}")
    rng = random.Random(seed)
    with Trial() as trial:
        record = trial.path("record")
        open(record, "w").close()
        trial.write("test/quick.job.xml", JOB.format(record=record, delay="01", code=0))
        trial.write("test/slow.job.xml", JOB.format(record=record, delay="4", code=0))
        trial.write("test/work.chain.xml", CHAIN)
        trial.start()
        trial.deploy()
        orders = []
        groups = [[n] for n in trial.names] + [trial.names]
        for number in range(rounds):
            orders += [trial.add("/test/work") for _ in range(4)]
            # Kill while the newest order certainly works: its first task has written its start.
            trial.wait_file(record, f"start {orders[-1]}:one:1 ")
            group = groups[number % len(groups)] if number < len(groups) else rng.choice(groups)
            diag(f"round {number + 1}: kill -9 {' '.join(group)}")
            trial.kill(*group)
            trial.start(*group)
        for order in orders:
            trial.wait_state(order, "succeeded", seconds=120)
        ok(True, f"{len(orders)} orders succeeded through {rounds} kills")

        # Each coupling has a higher number than those before it; a Master that starts again must not count from one.
        for _ in range(3):
            trial.kill("a1")
            trial.start("a1")
            orders.append(trial.add("/test/work"))
            trial.wait_state(orders[-1], "succeeded")
        with open(trial.path("log", "a1.log")) as f:
            logged = len(f.read())
        trial.kill("m1")
        trial.start("m1")
        began = time.monotonic()
        orders.append(trial.add("/test/work"))
        trial.wait_state(orders[-1], "succeeded")
        took = time.monotonic() - began
        with open(trial.path("log", "a1.log")) as f:
            refused = f.read()[logged:].count("has coupled anew since")
        # One may be the last word of the Master that was killed.
        ok(refused <= 1, "a Master that starts again couples at once, after many couplings", f"refused {refused} times")
        diag(f"the order after the Master's start took {took:.1f} s")

        with open(record) as f:
            words = [line.split() for line in f]
        starts = collections.Counter(w[1] for w in words if w[0] == "start")
        ends = collections.Counter(w[1] for w in words if w[0] == "end")
        equal([task for task, n in starts.items() if n > 1], [], "no task started twice")
        equal(sorted(starts), sorted(ends), "every task that started came to its end")
        equal(len(starts), NODES * len(orders), "every node ran, once")
        rows = trial.sql("SELECT task_id, COUNT(*) FROM task_run GROUP BY task_id")
        equal(sorted(r[0] for r in rows), sorted(starts), "history has the tasks that ran and no others")
        equal([r for r in rows if r[1] != 1], [], "history has each once")
        doubled = trial.sql("SELECT order_id, document, COUNT(*) FROM event_log WHERE event_type IN ('taskAssigned', 'taskEnded', 'orderEnded') "
                            "GROUP BY order_id, document HAVING COUNT(*) > 1")
        equal(doubled, [], "no event is stored twice")
        ended = trial.sql("SELECT COUNT(*) FROM event_log WHERE event_type = 'taskEnded'")[0][0]
        equal(ended, NODES * len(orders), "one taskEnded for each task")
        diag(f"kills {rounds}, starts {sum(starts.values())}, duplicates {sum(starts.values()) - len(starts)}, misses {NODES * len(orders) - len(starts)}")


main(test)
