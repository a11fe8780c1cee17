#!/usr/bin/python3
"""The example's end of day while every program is killed (-9) in the middle of its nodes, and started again.

First the runners are left alone: jobs go on, some of them end while nobody is there to see it, and each runs once. Then
the runners are killed as well: what ran is dead, and by its job's rule it runs again or waits for a person. In the end the
order has succeeded, and what the jobs wrote down is what the database, the service, the command line and the journals say."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from ledger import Ledger  # noqa: E402
from tap import contains, diag, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

NODES = ["fetch", "check", "load", "aggregate", "by-book", "by-currency", "rejects", "compress", "verify"]
JOBS = ["fetch", "check", "load", "aggregate", "report-books", "report-currencies", "report-rejects", "compress", "verify"]


class Killer:
    def __init__(self, trial, ledger):
        self.trial, self.ledger, self.kills = trial, ledger, 0

    def kill(self, order, *at, runners=False):
        """Kills all programs while the tasks `at` are at their gates."""
        self.ledger.await_start(order, *at)
        pids = self.trial.runner_pids() if runners else []
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.trial.kill()
        self.kills += len(self.trial.names) + len(pids)
        diag(f"kill -9 {' '.join(self.trial.names)}{' and ' + str(len(pids)) + ' runners' if runners else ''} "
             f"in {' '.join(at) or 'the pause before an attempt'}")
        if not runners:
            alive = self.trial.runner_pids()
            ok(len(alive) == self.trial.agents, "the runners live on", alive)

    def killed_in(self, order, *at):
        """Jobs go on: they end while nobody is there."""
        self.kill(order, *at)
        self.ledger.open(*at)
        self.ledger.await_end(order, *at)
        self.trial.start()

    def killed_around(self, order, *at):
        """Jobs go on: they end after all is there again, which finds them running."""
        self.kill(order, *at)
        self.trial.start()
        self.ledger.open(*at)


def check_results(trial, order):
    work = trial.path("examples", "work", order)
    with open(os.path.join(work, "books.txt")) as f:
        contains(f.read(), "commodity", "the report is there")
    outputs = {o.get("name"): o.text for t in trial.order(order).findall("sup:task", NS) for o in t.findall("t:output", NS)}
    equal({name: outputs.get(name) for name in ("rows", "rejected", "loaded", "verified")},
          {"rows": "1997", "rejected": "3", "loaded": "1997", "verified": "2"}, "no output of a node was lost")
    states = {n.findtext("t:id", namespaces=NS): n.findtext("t:state", namespaces=NS) for n in trial.order(order).findall("sup:node", NS)}
    equal(states, {**{name: "succeeded" for name in NODES}, "alarm": "skipped"}, "all nodes ran but the alarm")
    contains(trial.run("log", f"{order}:check:1")[1] + trial.run("log", f"{order}:check:2", check=False)[1], "rejected=3", "the logs are there")


def jobs_survive(trial, ledger, killer):
    ledger.close("fetch:1", "fetch:2", "load:1", "by-book:1", "by-currency:1", "verify:1")
    order = trial.add("/finance/eod")
    killer.killed_in(order, "fetch:1")
    killer.killed_around(order, "fetch:2")
    killer.killed_in(order, "load:1")
    killer.killed_around(order, "by-book:1", "by-currency:1")
    killer.killed_in(order, "verify:1")
    equal(trial.wait_state(order), "succeeded", "the end of day succeeds although everything but the runners was killed five times")
    ledger.remove()
    equal(sorted(line.task.split(":", 1)[1] for line in ledger.lines("start", order)),
          sorted([f"{node}:1" for node in NODES] + ["fetch:2"]), "every node ran once, and fetch was tried again as its job says")
    ledger.check_order(order)
    check_results(trial, order)


def runners_die(trial, ledger, killer):
    ledger.close("check:1", "load:1")
    order = trial.add("/finance/eod")
    # Whether or not its end had reached the journal: fetch failed, and is tried again.
    ledger.await_end(order, "fetch:1")
    killer.kill(order, runners=True)
    trial.start()
    killer.kill(order, "check:1", runners=True)
    trial.start()
    # check may be restarted, and the rule says so; load may not.
    killer.kill(order, "load:1", runners=True)
    trial.start()

    def in_doubt():
        return [n for n in trial.order(order).findall("sup:node", NS) if n.findtext("t:state", namespaces=NS) == "inDoubt"]
    node = trial.wait_for(in_doubt)[0]
    equal(node.findtext("t:id", namespaces=NS), "load", "a task that must not be run again by itself is in doubt")
    contains(node.findtext("t:cause", namespaces=NS), "the runner ended while the task ran", "with its cause")
    told = trial.run("order", "show", order)[1]
    contains(told, "inDoubt", "the command line shows the doubt")
    ledger.open("check:1", "load:1")  # nobody may be there any more to go on behind the gates
    trial.run("order", "resolve", order, "--node", "load", "--outcome", "again", "--reason", "looked: nothing was loaded")
    equal(trial.wait_state(order), "succeeded", "the end of day succeeds although everything was killed three times")
    ledger.remove()
    ended = {line.task.split(":", 1)[1] for line in ledger.lines("end", order)}
    ok("load:2" in ended and "check:2" in ended, "the second attempts ended", ended)
    fences = ledger.check_order(order, killed=[f"{order}:check:1", f"{order}:load:1"])
    for node in ("check", "load"):
        ok(fences[f"{order}:{node}:2"] > fences[f"{order}:{node}:1"], f"{node}'s second start is another assignment")
    check_results(trial, order)


def run(agents):
    began = time.monotonic()
    diag(f"--- {agents} agent{'s' if agents > 1 else ''}")
    with Trial(agents=agents) as trial:
        ledger = Ledger(trial)
        killer = Killer(trial, ledger)
        for job in JOBS:
            ledger.instrument(f"finance/{job}.job.xml")
        with open(trial.path("repository", "finance/check.job.xml")) as f:
            text = f.read()
        trial.write("finance/check.job.xml", text.replace("</job>", '  <agentLoss action="restart"/>\n</job>'))
        trial.start()
        trial.deploy()
        if agents > 1:  # killed.t has one agent die and its jobs live
            jobs_survive(trial, ledger, killer)
        runners_die(trial, ledger, killer)
        events, doubled, lost = ledger.check_events("a1")
        starts = len(ledger.lines("start"))
        diag(f"{agents} agents: programs killed {killer.kills}, starts {starts}, events {events}, doubled {doubled}, lost {lost}, "
             f"{time.monotonic() - began:.0f} s")


def test():
    for agents in os.environ.get("AGENTS", "1 3").split():
        run(int(agents))


main(test)
