#!/usr/bin/python3
"""A Master cluster of primary, backup and witness under a flow of orders: the active Master is killed (-9) twenty times,
leadership is passed on and goes back, an active Master stands still for longer than anybody waits for it, everything above
the agents is away while their plan goes on. What the jobs wrote down themselves is compared with the history afterwards:
nothing is lost, nothing is doubled."""
import http.client
import os
import random
import signal
import ssl
import statistics
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from ledger import OF_AGENTS, Ledger  # noqa: E402
from tap import diag, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

KILLS = int(os.environ.get("KILLS", 20))
BAR_S = 2.0  # take-over: kill to the next start
ALONE_STARTS = int(os.environ.get("ALONE", 10))  # starts that agents make while nobody is above them
JOB = '<job xmlns="urn:horarium:configuration:1"><script shell="/bin/sh"><![CDATA[\n{script}exit 0\n]]></script></job>\n'
CHAIN = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow">
  <node id="one" job="note"/><node id="two" job="note"/>
</jobChain>
"""
S = "http://schemas.xmlsoap.org/soap/envelope/"


class Service:
    """The Supervisor's service over one kept connection: a command line for each order would take most of the machine."""

    def __init__(self, trial):
        self.trial = trial
        self.connection = None
        with open(trial.path("settings", "admin.password")) as f:
            password = f.read().strip()
        self.token = None
        self.token = self.call("Login", f"<user>admin</user><password>{password}</password>").findtext("sup:token", "", NS)

    def call(self, operation, inner, timeout=60):
        body = (f'<S:Envelope xmlns:S="{S}"><S:Body><{operation} xmlns="{NS["sup"]}">{inner}</{operation}></S:Body></S:Envelope>')
        if self.connection is None:
            context = ssl.create_default_context(cafile=self.trial.path("certificates", "ca.crt"))
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.trial.port("supervisor"), context=context, timeout=timeout)
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        if self.token:
            headers["X-Horarium-Session"] = self.token
        try:
            self.connection.request("POST", "/soap/supervisor", body.encode(), headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except OSError:
            self.connection = None
            raise
        if answer.status != 200:
            raise RuntimeError(f"{operation}: {answer.status} {text.decode(errors='replace')[-600:]}")
        return ElementTree.fromstring(text).find(f"{{{S}}}Body")[0]


class Flow(threading.Thread):
    """Adds one order after the other, each as soon as the one before was accepted and a moment is over."""

    def __init__(self, trial):
        super().__init__(daemon=True)
        self.service = Service(trial)
        self.accepted = []  # (asked, accepted, order)
        self.refused = []
        self.condition = threading.Condition()
        self.ending = threading.Event()

    def run(self):
        number = 0
        while not self.ending.wait(0.05):  # the pace of the flow
            asked = time.time()
            number += 1
            try:
                answer = self.service.call("AddOrder", f"<requestId>flow-{number}</requestId><chain>/test/work</chain>")
                order = answer.findtext("sup:order/t:id", "", NS)
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                with self.condition:
                    self.refused.append((asked, time.time(), str(error)))
                continue
            with self.condition:
                self.accepted.append((asked, time.time(), order))
                self.condition.notify_all()

    def after(self, moment, seconds=30):
        """The first order that was accepted after a moment; an answer that was on its way already does not count."""
        deadline = time.monotonic() + seconds
        with self.condition:
            while True:
                for asked, accepted, order in reversed(self.accepted):
                    if accepted <= moment + 0.05:
                        break
                    first = order, accepted
                else:
                    asked = 0
                if self.accepted and self.accepted[-1][1] > moment + 0.05:
                    return first
                if not self.condition.wait(max(0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise TimeoutError(f"no order was accepted in {seconds} s; refused: {self.refused[-3:]}")

    def end(self):
        self.ending.set()
        self.join(60)
        return [order for _, _, order in self.accepted]

    def longest_gap(self, begin, end):
        times = [begin] + [a for _, a, _ in self.accepted if begin < a < end] + [end]
        return max(b - a for a, b in zip(times, times[1:]))


def active(trial, but=(), seconds=30):
    """The Master that says that it is active."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name in trial.masters:
            if name in but or trial.processes[name].poll() is not None:
                continue
            try:
                if trial.get(name, "/healthz")[1].strip() == "active":
                    return name
            except OSError:
                pass
        time.sleep(0.02)  # between two looks: nothing tells who leads before it is asked
    raise TimeoutError("no Master is active")


def await_active(trial, name, seconds=40):
    deadline = time.monotonic() + seconds
    while active(trial) != name:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is not active")
        time.sleep(0.05)  # as above


def start_time(ledger, order):
    ledger.await_start(order, "one:1")
    return min(line.at for line in ledger.lines("start", order))


def kills(trial, ledger, flow, rng):
    spans, killed = [], []
    for number in range(KILLS):
        name = active(trial)
        flow.after(time.time())  # it works
        time.sleep(rng.random() * 0.3)  # a random moment is what is tested
        moment = time.time()
        trial.kill(name)
        order, accepted = flow.after(moment)
        started = start_time(ledger, order)
        spans.append(started - moment)
        killed.append(name)
        diag(f"kill {number + 1}: {name}; next order accepted after {accepted - moment:.3f} s, started after {spans[-1]:.3f} s")
        trial.start(name)
    diag(f"take-over: {len(spans)} kills (-9) of the active Master ({', '.join(f'{n} {killed.count(n)}x' for n in sorted(set(killed)))}); kill "
         f"to the next start: median {statistics.median(spans):.3f} s, worst {max(spans):.3f} s")
    ok(statistics.median(spans) <= BAR_S, f"the next start comes within {BAR_S} s of the kill (median)", spans)
    ok(max(spans) <= 5 * BAR_S, "and never much later, on a machine that does other things too", spans)
    ok("m3" not in killed, "the witness was never active")


def switch(trial, flow):
    old = active(trial)
    new = {"m1": "m2", "m2": "m1"}[old]
    moment = time.time()
    out = trial.run("master", "switch", new, "--reason", "test")[1]
    ok("done" in out, "a person passes leadership on", out)
    equal(active(trial), new, "to the member that was named")
    flow.after(time.time())
    flow.after(time.time())
    gap = flow.longest_gap(moment, time.time())
    diag(f"planned switch-over {old} to {new}: longest time without an accepted order {gap:.3f} s")
    ok(not flow.refused, "no order was refused meanwhile", flow.refused)
    code, _, err = trial.run("master", "switch", "m3", check=False)
    ok(code == 5 and "witness" in err, "a witness does not get it", code, err)
    code, _, err = trial.run("master", "switch", "m9", check=False)
    ok(code == 5 and "m9" in err, "nor does one that is unknown", code, err)
    return new


def failback(trial, ledger, flow, preferred):
    other = {"m1": "m2", "m2": "m1"}[preferred]
    moment = time.time()
    trial.kill(preferred)
    equal(active(trial), other, "the other one takes over from the preferred member")
    flow.after(moment)
    trial.start(preferred)
    back = time.time()
    await_active(trial, preferred)
    ok(True, "and leadership goes back by itself")
    diag(f"failback: {preferred} is active again {time.time() - back:.3f} s after its start")
    flow.after(time.time())


def stopped(trial, ledger, flow):
    """The active Master and the agent stand still; an order that the former was handing over is cancelled at its
    successor. Whatever of the old Master's calls is still on its way comes first when the agent goes on."""
    old = active(trial)
    flow.after(time.time())
    agent = trial.names[0]
    trial.kill(agent, sig=signal.SIGSTOP)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    order = flow.service.trial.add("/test/work", "--at", later)
    trial.wait_for(lambda: trial.sql("SELECT COUNT(*) FROM order_run WHERE order_id = ?", order)[0][0])
    trial.kill(old, sig=signal.SIGSTOP)
    moment = time.time()
    new = active(trial, but=(old,))
    out = trial.run("order", "cancel", order, "--reason", "test", check=False)[1]
    ok("waiting" in out, "a command waits where it is not certain who has the order", out)
    listed = trial.run("command", "list")[1]
    ok(order in listed and "cancel" in listed, "and can be seen", listed)
    trial.kill(agent, sig=signal.SIGCONT)
    trial.wait_state(order, "cancelled")
    equal(trial.run("command", "list", "--quiet")[1].strip(), "", "it waits no longer after it was delivered")
    flow.after(time.time())
    stood = time.time() - moment
    ok(stood < 30, "and history does not wait for a Master that stands still", stood)
    trial.kill(old, sig=signal.SIGCONT)
    flow.after(time.time())
    deadline = time.monotonic() + 20
    while trial.get(old, "/healthz")[1].strip() == "active" and active(trial, but=(old,)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)  # until it has heard of its successor
    roles = {name: trial.get(name, "/healthz")[1].strip() for name in trial.masters}
    equal(sorted(roles.values()).count("active"), 1, "one Master is active when the old one goes on")
    diag(f"{old} stood still for {stood:.1f} s while {new} was active; then {roles}")
    equal(trial.state(order), "cancelled", "what its successor decided stays")


def alone(trial, ledger):
    """All Masters and the Supervisor are away while the plan of the agents goes on."""
    hour = 12 - int(time.strftime("%H", time.gmtime()))  # a zone in which it is noon: no test runs into midnight
    zone = f"Etc/GMT{-hour:+d}" if hour else "UTC"
    begin = time.time() + 12
    local = [time.strftime("%H:%M:%S", time.gmtime(t + hour * 3600)) for t in (begin, begin + 2 * 60)]
    trial.write("test/beat.schedule.xml", '<schedule xmlns="urn:horarium:configuration:1" chain="/test/work" '
                f'timeZone="{zone}"><every interval="PT2S" from="{local[0]}" to="{local[1]}"/></schedule>\n')
    trial.deploy()
    today = f"%{time.strftime('%Y%m%d', time.gmtime(begin + hour * 3600))}%"
    mine = "SELECT COUNT(*) FROM event_log WHERE event_type = 'orderForwarded' AND order_id LIKE ? AND order_id IN " \
           "(SELECT order_id FROM order_run WHERE schedule_path = '/test/beat')"
    trial.wait_for(lambda: trial.sql(mine, today)[0][0] >= 61)
    planned = dict(trial.sql("SELECT order_id, planned_us FROM order_run WHERE schedule_path = '/test/beat'"))
    above = trial.masters + ["supervisor"]
    trial.kill(*above)
    away = time.time()
    before = {line.task for line in ledger.lines("start")}
    deadline = time.monotonic() + 240
    while True:
        new = [line for line in ledger.lines("start") if line.task not in before and line.task.split(":")[0] in planned
               and line.task.endswith(":one:1")]
        if len(new) >= ALONE_STARTS:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(new)} starts while all Masters are away")
        time.sleep(0.1)  # jobs report to a file only
    back = time.time()
    trial.start(*above)
    late = [line.at - planned[line.task.split(":")[0]] / 1e6 for line in new]
    diag(f"nobody above the agents for {back - away:.1f} s: {len(new)} starts of the plan, latest {max(late):.3f} s after its time")
    ok(len(new) >= ALONE_STARTS, "agents run their plan while every Master and the Supervisor are away")
    ok(max(late) < 10, "in time", late)
    return sorted({line.task.split(":")[0] for line in new})


def check(trial, ledger, orders, beats):
    for order in orders[-3:] + beats[-1:]:
        trial.wait_state(order, seconds=120)
    rows = {}

    def all_ended():
        rows.update(trial.sql("SELECT order_id, state FROM order_run WHERE chain = '/test/work'"))
        return all(rows.get(o) == "succeeded" for o in orders + beats)
    try:
        trial.wait_for(all_ended, seconds=120)
    except TimeoutError:
        pass
    wrong = {o: rows.get(o) for o in orders + beats if rows.get(o) != "succeeded"}
    equal(wrong, {}, f"all of {len(orders)} accepted orders and {len(beats)} of the plan succeeded")
    starts, ends = ledger.lines("start"), ledger.lines("end")
    doubled = sorted({line.task for line in starts if [s.task for s in starts].count(line.task) > 1})
    equal(doubled, [], "no task ran twice")
    wanted = {f"{o}:{n}:1" for o in orders + beats for n in ("one", "two")}
    equal(sorted(wanted - {line.task for line in ends}), [], "every task of them ran to its end")
    told = trial.sql("SELECT task_id, exit_code FROM task_run")
    ran = {line.task for line in starts}
    equal(sorted({t for t, _ in told} - ran), [], "history has no task that did not run")
    equal(sorted(wanted - {t for t, c in told if c == 0}), [], "and all that did, with their exit codes")
    equal(len(told), len({t for t, _ in told}), "each once")
    trial.run("chain", "hold", "/test/work", "--reason", "test")  # the plan has more

    def quiet():
        last = max(i for i, e in ledger.journal("a1").items() if e[0] in OF_AGENTS and "master" in e[1])
        return len(ledger.lines("start")) == len(ledger.lines("end")) and \
            trial.sql("SELECT COUNT(*) FROM event_log WHERE document LIKE ?", f'% clusterIndex="{last}"%')[0][0]
    trial.wait_for(quiet, seconds=60)
    events, twice, lost = ledger.check_events("a1")
    diag(f"{len(starts)} starts, {len(doubled)} doubled; {events} events of the agents: {twice} doubled, {lost} lost")
    hollow = trial.sql("SELECT COUNT(*) FROM order_run WHERE chain = '/test/work' AND state NOT IN ('succeeded', 'cancelled', 'planned', "
                       "'waitingForTime', 'running', 'waiting')")[0][0]
    equal(hollow, 0, "no order has another end")


def test():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    diag(f"SEED={seed} KILLS={KILLS} ALONE={ALONE_STARTS}")
    rng = random.Random(seed)
    with Trial(masters=3) as trial:
        ledger = Ledger(trial)
        trial.write("test/note.job.xml", JOB.format(script=ledger.script()))
        trial.write("test/work.chain.xml", CHAIN)
        trial.start()
        trial.deploy()
        flow = Flow(trial)
        flow.start()
        kills(trial, ledger, flow, rng)
        preferred = switch(trial, flow)
        failback(trial, ledger, flow, preferred)
        stopped(trial, ledger, flow)
        orders = flow.end()
        if flow.refused:
            diag(f"{len(flow.refused)} orders were refused, and told so: {flow.refused[0][2][:200]}")
        beats = alone(trial, ledger)
        check(trial, ledger, orders, beats)


main(test)
