#!/usr/bin/python3
"""Faults by chance, under load: three agents on machines of their own with a Master and a Supervisor. Every program is killed
(-9) and stopped for a while, networks are cut (one way, both ways, cables pulled), machines lose their power; a disk fills
up; and a majority goes away while jobs run.

Jobs write their own starts, signs of life and ends into a ledger, which is compared with the history: no start twice, no
order lost, no event lost or doubled, every doubt explained, and no two attempts of a node at a time.
    SEED=n         the same faults again (the machine's own timing differs, though)
    KILLS=200      how many faults; 20 when absent (some 90 s in all)
    STEPS="chance quorum disk"   only these"""
import collections
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from faults import Machines  # noqa: E402
from ledger import Ledger  # noqa: E402
from tap import diag, equal, main, ok, skip_all  # noqa: E402
from trial import BUILD, NS, Failed  # noqa: E402

KILLS = int(os.environ.get("KILLS", 20))
JOB = """<job xmlns="urn:horarium:configuration:1">
  <script shell="/bin/sh"><![CDATA[
{script}{body}
]]></script>
  <agentLoss action="{loss}"/>
</job>
"""
# Says ten times a second that it lives: two attempts must never do so at a time.
ALIVE = """i=0
while [ $i -lt 12 ]; do
    i=$((i + 1))
    sleep 0.1
    echo "alive $HORARIUM_TASK $HORARIUM_FENCE $HORARIUM_AGENT $(date +%s.%N)" >>{file}
done"""
CHAIN = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow">
  <node id="one" job="quick"/>
  <node id="two" job="{middle}"/>
  <node id="left" job="quick"><after node="two"/></node>
  <node id="right" job="movable"><after node="two"/></node>
  <node id="last" job="quick"><after node="left"/><after node="right"/></node>
</jobChain>
"""
SINGLE = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow">
  <node id="{node}" job="{job}"/>
</jobChain>
"""
CLUSTER = """<agentCluster xmlns="urn:horarium:configuration:1" selection="roundRobin">{members}</agentCluster>
"""
NODES = {"work": ["one", "two", "left", "right", "last"], "single": ["only"], "long": ["held"]}


class Load(threading.Thread):
    """Adds orders for as long as the faults last. An answer may be lost, so each is asked for again with its own id."""

    def __init__(self, trial, chain, batch, pause_s):
        super().__init__(daemon=True)
        self.trial, self.chain, self.batch, self.pause_s = trial, chain, batch, pause_s
        self.ended = threading.Event()
        self.orders = []
        self.repeats = 0
        self.longest = (0, 0, "")  # seconds, when, the last refusal
        self.error = None

    def run(self):
        number = 0
        while not self.ended.is_set():
            number += 1
            if not self.add(f"load-{number}"):
                return
            self.ended.wait(self.pause_s)

    def add(self, request):
        began, began_wrong = time.monotonic(), False
        while time.monotonic() < began + 120:
            try:
                out = self.trial.run("order", "add", self.chain, "--reason", "load", "--quiet", "--count", self.batch,
                                     "--request-id", request, timeout=60)[1].split()
                self.orders += out
                self.longest = max(self.longest, (time.monotonic() - began, time.time(), self.error if began_wrong else ""))
                return True
            except (Failed, subprocess.TimeoutExpired) as e:
                self.repeats += 1
                self.error = str(e)
                began_wrong = True
                time.sleep(0.1)  # nobody is there to ask: the test's own faults decide for how long
        return False


class Chaos:
    """Draws faults, and repairs each after a while."""
    KINDS = [("kill", 9), ("kill runner", 3), ("kill all agents", 1), ("kill all", 1), ("stop", 6), ("stop runner", 1),
             ("isolate", 3), ("one way", 3), ("unplug", 2), ("power", 3), ("power all", 1)]

    def __init__(self, trial, rng):
        self.trial, self.rng = trial, rng
        self.counts = collections.Counter()
        self.repairs = []  # (when, what, function)
        self.down = set()
        self.stopped = set()
        self.surprises = []

    def draw(self):
        kind = self.rng.choices([k for k, _ in self.KINDS], [w for _, w in self.KINDS])[0]
        name = self.rng.choice(self.trial.names)
        agent = self.rng.choice(self.trial.members)
        short_s = self.rng.uniform(0.1, 1.5)
        long_s = self.rng.choice([short_s, self.rng.uniform(2, 6)])
        self.counts[kind] += 1
        getattr(self, kind.replace(" ", "_"))(name, agent, short_s, long_s)

    def note(self, text):
        diag(f"{time.monotonic() - self.began:6.1f} s  {text}")

    def later(self, seconds, what, function):
        self.repairs.append((time.monotonic() + seconds, what, function))

    # -- faults -----------------------------------------------------------------------------------
    def take_down(self, names, seconds):
        names = [n for n in names if n not in self.down]
        for name in names:
            self.down.add(name)
            self.stopped.discard(name)
            self.trial.kill(name)
            self.later(seconds, f"start {name}", lambda n=name: self.bring_up(n))

    def bring_up(self, name):
        if name in self.down:
            self.down.discard(name)
            self.trial.spawn(name)

    def kill(self, name, agent, short_s, long_s):
        self.note(f"kill {name}, back after {short_s:.1f} s")
        self.take_down([name], short_s)

    def kill_runner(self, name, agent, short_s, long_s):
        self.note(f"kill the runner of {agent}")
        for pid in self.trial.runner_of(agent):
            os.kill(pid, signal.SIGKILL)

    def kill_all_agents(self, name, agent, short_s, long_s):
        self.note(f"kill all agents, back after {long_s:.1f} s")
        self.take_down(self.trial.members, long_s)

    def kill_all(self, name, agent, short_s, long_s):
        self.note(f"kill all programs, back after {short_s:.1f} s")
        self.take_down(self.trial.names, short_s)

    def stop(self, name, agent, short_s, long_s):
        if name in self.down or name in self.stopped:
            return
        self.note(f"stop {name} for {long_s:.1f} s")
        self.stopped.add(name)
        process = self.trial.processes[name]
        process.send_signal(signal.SIGSTOP)
        self.later(long_s, f"continue {name}", lambda: (self.stopped.discard(name), process.send_signal(signal.SIGCONT)))

    def stop_runner(self, name, agent, short_s, long_s):
        self.note(f"stop the runner of {agent} for {long_s:.1f} s")
        for pid in self.trial.runner_of(agent):
            os.kill(pid, signal.SIGSTOP)
            self.later(long_s, f"continue the runner of {agent}", lambda p=pid: self.go_on(p))

    @staticmethod
    def go_on(pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def cut(self, pairs, seconds, what):
        self.note(f"{what} for {seconds:.1f} s")
        self.trial.set_cut(pairs)
        self.later(seconds, "the network is whole", lambda: self.trial.set_cut([]))

    def isolate(self, name, agent, short_s, long_s):
        others = [m for m in self.trial.members if m != agent] + ["host"] * self.rng.randrange(2)
        self.cut([(agent, o) for o in others] + [(o, agent) for o in others], long_s,
                 f"{agent} is cut off from {' '.join(others)}")

    def one_way(self, name, agent, short_s, long_s):
        others = [m for m in self.trial.members if m != agent]
        others = self.rng.choice([others, others[:1], others[1:]])
        if self.rng.random() < 0.5:
            self.cut([(agent, o) for o in others], long_s, f"{agent} is not heard by {' '.join(others)}")
        else:
            self.cut([(o, agent) for o in others], long_s, f"{agent} does not hear {' '.join(others)}")

    def unplug(self, name, agent, short_s, long_s):
        self.note(f"{agent} is unplugged for {long_s:.1f} s")
        self.trial.plug(agent, False)
        self.later(long_s, f"{agent} is plugged in", lambda: self.trial.plug(agent, True))

    def power(self, name, agent, short_s, long_s):
        self.power_of([agent], long_s)

    def power_all(self, name, agent, short_s, long_s):
        self.power_of(self.trial.members, short_s)

    def power_of(self, agents, seconds):
        agents = [a for a in agents if a not in self.down]
        self.note(f"power loss of {' '.join(agents) or 'none that is up'}, back after {seconds:.1f} s")
        for agent in agents:
            self.down.add(agent)
            self.stopped.discard(agent)
            self.trial.power_off(agent, self.rng)
            self.later(seconds, f"start {agent}", lambda a=agent: self.bring_up(a))

    # -- time -------------------------------------------------------------------------------------
    def repair(self, all_of_it=False):
        now = time.monotonic()
        due = [r for r in self.repairs if all_of_it or r[0] <= now]
        self.repairs = [r for r in self.repairs if r not in due]
        for _, what, function in sorted(due, key=lambda r: r[0]):
            function()

    def look(self):
        """Programs end when they are killed, and not by themselves."""
        for name in self.trial.names:
            code = self.trial.processes[name].poll()
            if name not in self.down and code is not None:
                self.surprises.append(f"{name} ended with {code}: {self.trial.log_tail(name, 5)}")
                self.note(f"{name} ended by itself with {code}")
                self.trial.spawn(name)

    def run(self, count):
        self.began = time.monotonic()
        for _ in range(count):
            self.draw()
            until = time.monotonic() + self.rng.uniform(0.2, 2.6)
            while time.monotonic() < until or len(self.repairs) > 6:
                self.repair()
                self.look()
                time.sleep(0.05)  # the faults' own timing
        self.repair(all_of_it=True)
        self.note("the faults are over")
        for name in self.trial.names:
            self.trial.await_ready(name, 60)


# -- the person ---------------------------------------------------------------------------------------
class Person:
    """Settles what is in doubt and what failed, by what the ledger says: the only one who can know."""

    def __init__(self, trial, ledger):
        self.trial, self.ledger = trial, ledger
        self.resolved = collections.Counter()

    def settle(self, order):
        for node in self.trial.order(order).findall("sup:node", NS):
            if node.findtext("t:state", namespaces=NS) != "inDoubt":
                continue
            name, task = node.findtext("t:id", namespaces=NS), node.findtext("t:task", namespaces=NS)
            good = any(line.task == task and line.code == 0 for line in self.ledger.lines("end", order))
            code = self.trial.run("order", "resolve", order, "--node", name, "--outcome", "success" if good else "again",
                                  "--reason", "by the ledger", check=False)[0]
            if code == 0:  # else the true outcome came meanwhile
                self.resolved["ran" if good else "again"] += 1


def await_end(trial, person, orders, seconds):
    """All orders have ended; doubts that stay although all members are back are settled by the person."""
    deadline = time.monotonic() + seconds
    position, quiet_since = 0, time.monotonic()
    while True:
        rows = dict(trial.sql("SELECT order_id, state FROM order_run"))
        left = {o: rows.get(o) for o in orders if rows.get(o) not in ("succeeded",)}
        if not left or time.monotonic() > deadline:
            return left
        at = trial.position(position, 1000)
        if at != position:
            quiet_since = time.monotonic()
        position = at
        doubtful = [o for o, state in left.items() if state == "inDoubt"]
        if doubtful and (time.monotonic() > quiet_since + 3 or len(doubtful) == len(left)):
            for order in doubtful:
                person.settle(order)


# -- what came of it ----------------------------------------------------------------------------------
def check_ledger(trial, ledger, orders):
    starts = ledger.lines("start")
    by_task = collections.Counter(line.task for line in starts)
    equal([t for t, n in by_task.items() if n > 1], [], "no task started twice")
    equal([f for f, n in collections.Counter(line.fence for line in starts).items() if n > 1], [], "no assignment started twice")
    rows = trial.sql("SELECT task_id, outcome, exit_code, state, cause FROM task_run")
    history = {r[0]: r for r in rows}
    equal(sorted(t for t in by_task if t not in history), [], "history has every task that started")
    ends = {line.task: line for line in ledger.lines("end")}
    wrong = [(r, ends[r[0]].code) for r in rows if r[1] == "success" and r[0] in ends and ends[r[0]].code != 0]
    equal(wrong, [], "no success is told of a task that failed")
    equal([r for r in rows if r[1] == "success" and r[0] not in ends], [], "no success is told of a task that did not end")
    equal([r for r in rows if r[0] not in by_task and r[1] == "success"], [], "nor of one that never started")
    equal([r for r in rows if r[0] not in by_task and not r[4]], [], "every task that never started says why")
    equal([r for r in rows if r[3] != "ended"], [], "every task has an end")
    done = collections.Counter(line.task.rsplit(":", 1)[0] for line in ends.values() if line.code == 0)
    wanted = [f"{order}:{node}" for order in orders for node in NODES[order.rsplit("-", 3)[0]]]
    missed = [node for node in wanted if done[node] == 0]
    equal(missed, [], "every node of every order ran to its end")
    # Attempts of one node: each begins after the last sign of life of the one before.
    life = collections.defaultdict(list)
    for line in ledger.lines():
        node, attempt = line.task.rsplit(":", 1)
        life[node].append((int(attempt), line.at, line.what))
    overlaps = []
    for node, lines in life.items():
        first = {a: min(at for b, at, _ in lines if b == a) for a, _, _ in lines}
        for attempt, begun in first.items():
            earlier = [at for b, at, _ in lines if b < attempt and at > begun]
            if earlier:
                overlaps.append((node, attempt, begun, max(earlier)))
    equal(overlaps, [], "no two attempts of a node ran at a time")
    again = [node for node, n in done.items() if n > 1]
    # The end of such a job can be lost with its machine or runner, and then its rule lets it run again.
    equal([node for node in again if not node.endswith(":right")], [], "no node succeeded twice whose job may not be restarted")
    return by_task, done, again, missed


def check_doubts(trial):
    documents = trial.sql("SELECT document FROM event_log WHERE event_type = 'taskInDoubt'")
    causes = [re.search(r' cause="([^"]*)"', d[0]) for d in documents]
    ok(None not in causes, "every doubt names its cause")
    for cause, count in collections.Counter(re.sub(r"\ba\d\b", "aN", c.group(1)) for c in causes if c).most_common():
        diag(f"in doubt: {count} ({cause})")
    return len(documents)


def longest_gap(ledger, begin, end):
    times = sorted([line.at for line in ledger.lines("start") if begin <= line.at <= end] + [begin, end])
    gap, at = max((b - a, a) for a, b in zip(times, times[1:]))
    diag(f"longest gap between starts {gap:.1f} s, from {at - begin:.1f} s on")
    return gap


def chance(trial, ledger, person, rng):
    load = Load(trial, "/test/work", 4, 0.7 if KILLS <= 40 else 2.5)
    load.start()
    trial.wait_file(ledger.file, "start work-")
    chaos = Chaos(trial, rng)
    begin = end = time.time()
    try:
        chaos.run(KILLS)
        end = time.time()
    finally:
        load.ended.set()
        load.join(130)
    ok(not load.is_alive() and load.orders, "orders could be added all the time, sooner or later", load.error)
    equal(chaos.surprises, [], "no program ended by itself")
    left = await_end(trial, person, load.orders, 180)
    equal(left, {}, f"all of {len(load.orders)} orders succeeded")
    equal(len(set(load.orders)), len(load.orders), "no order was added twice")
    known = {r[0] for r in trial.sql("SELECT order_id FROM order_run WHERE chain = '/test/work'")}
    equal(known, set(load.orders), "the database has these orders and no others")
    faults = sum(chaos.counts.values())
    diag(f"faults {faults}: " + ", ".join(f"{k} {n}" for k, n in sorted(chaos.counts.items())))
    took, at, why = load.longest
    diag(f"requests that had to be repeated {load.repeats}; the longest took {took:.1f} s, until {at - begin:.1f} s: {why}")
    return load.orders, faults, longest_gap(ledger, begin, end)


def quorum(trial, ledger, person, rng):
    """Two of three machines are unplugged: jobs go on everywhere, nothing new starts; then all results count."""
    ledger.close("held:1")
    orders = [trial.add("/test/long") for _ in range(6)]
    for order in orders:
        ledger.await_start(order, "held:1")
    where = collections.Counter(line.agent for line in ledger.lines("start") if line.task.split(":")[0] in orders)
    equal(set(where), set(trial.members), f"jobs run on all three agents: {dict(where)}")
    away = rng.sample(trial.members, 2)
    diag(f"unplugged: {' '.join(away)}")
    for agent in away:
        trial.plug(agent, False)
    at = time.time()
    late = trial.run("order", "add", "/test/single", "--reason", "nobody may start it", "--quiet", check=False)[1].split()
    time.sleep(4)  # twice the lease: a silence can only be waited out
    equal([line for line in ledger.lines("start") if line.at > at + 2.2], [], "without a majority nothing starts")
    ledger.open(*["held:1"] * len(orders))
    for order in orders:
        ledger.await_end(order, "held:1")
    equal(sorted(line.task.split(":")[0] for line in ledger.lines("end") if line.task.split(":")[0] in orders), sorted(orders),
          "jobs that ran come to their end on all three, without a majority")
    for agent in away:
        trial.plug(agent, True)
    left = await_end(trial, person, orders + late, 60)
    equal(left, {}, "with a majority again their results count, and what waited starts")
    ledger.remove()
    equal([line.code for line in ledger.lines("end") if line.task.split(":")[0] in orders], [0] * len(orders), "none was harmed")
    equal(trial.sql("SELECT COUNT(*) FROM task_run WHERE order_id IN (" + ",".join("?" * len(orders)) + ") AND outcome = 'success'",
                    *orders)[0][0], len(orders), "none has a second attempt")
    return orders + late, 2, None


def fill(path):
    with open(path, "wb", 0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


def leader(trial, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for agent in trial.members:
            if (trial.figures(agent) or {}).get("leader"):
                return agent
        time.sleep(0.05)
    raise TimeoutError("nobody leads")


def disk_of(trial, person, ledger, agent, what):
    """A member's disk is full: it says so and takes nothing new, what is there stays, and with room it goes on."""
    ballast = trial.path("data", agent, "ballast")
    logged = os.path.getsize(trial.path("log", f"{agent}.log"))

    def says(text):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with open(trial.path("log", f"{agent}.log")) as f:
                f.seek(logged)
                if text in f.read():
                    return True
            time.sleep(0.05)
        return False
    fill(ballast)
    at = time.time()
    ok(says("no room on the disk"), f"the {what}'s disk is full, and it says so")
    # What was assigned to it before waits for room; from now on it is given nothing.
    orders = [trial.add("/test/single") for _ in range(12)]
    equal(await_end(trial, person, orders, 60), {}, "the others go on")
    diag(f"the disk of {agent}, the {what}, was full: 12 orders took {time.time() - at:.1f} s, {leader(trial)} leads")
    late = [line for line in ledger.lines("start") if line.agent == agent and line.at > at + 1]
    equal(late, [], "it starts no more tasks")
    equal(trial.processes[agent].poll(), None, "it is still there")
    fill(ballast + ".more")
    os.unlink(ballast)
    os.unlink(ballast + ".more")
    ok(says("room again"), "it notices that there is room again")
    at = time.time()
    for _ in range(6):
        more = [trial.add("/test/single") for _ in range(6)]
        orders += more
        equal(await_end(trial, person, more, 60), {}, "orders run")
        if any(line.agent == agent and line.at > at for line in ledger.lines("start")):
            break
    ok(any(line.agent == agent and line.at > at for line in ledger.lines("start")), f"{agent} starts tasks again")
    return orders


def disk(trial, ledger, person, rng):
    first = leader(trial)
    orders = disk_of(trial, person, ledger, rng.choice([a for a in trial.members if a != first]), "follower")
    orders += disk_of(trial, person, ledger, leader(trial), "leader")
    return orders, 2, None


def test():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    diag(f"SEED={seed} KILLS={KILLS}")
    rng = random.Random(seed)
    began = time.monotonic()
    steps = {"chance": chance, "quorum": quorum, "disk": disk}
    with Machines(agents=3, disk="24m") as trial:
        ledger = Ledger(trial)
        trial.write("clusters/local.agentCluster.xml", CLUSTER.format(members="".join(
            f'<member name="{a}" url="{trial.url(a)}" priority="1" maxTasks="8"/>' for a in trial.members)))
        for name, loss, body in [("quick", "hold", "sleep 0.05"), ("slow", "hold", "sleep 0.6"), ("long", "hold", ""),
                                 ("movable", "restart", ALIVE.format(file=ledger.file))]:
            trial.write(f"test/{name}.job.xml", JOB.format(script=ledger.script(), loss=loss, body=body))
        trial.write("test/work.chain.xml", CHAIN.format(middle="slow"))
        trial.write("test/single.chain.xml", SINGLE.format(node="only", job="quick"))
        trial.write("test/long.chain.xml", SINGLE.format(node="held", job="long"))
        trial.start()
        trial.deploy()
        person = Person(trial, ledger)
        orders, faults, gap = [], 0, None
        for name in os.environ.get("STEPS", "quorum disk chance").split():
            diag(f"--- {name}, {time.monotonic() - began:.0f} s")
            added, injected, step_gap = steps[name](trial, ledger, person, rng)
            orders += added
            faults += injected
            gap = step_gap if step_gap is not None else gap
        by_task, done, again, missed = check_ledger(trial, ledger, orders)
        doubts = check_doubts(trial)
        events, doubled, lost = ledger.check_events("a1")
        diag(f"faults {faults}, orders {len(orders)}, starts {sum(by_task.values())}, duplicates "
             f"{sum(by_task.values()) - len(by_task)}, misses {len(missed)}, in doubt {doubts} (a person: "
             f"{dict(person.resolved)}), nodes that ran to success twice {len(again)}, events {events} doubled {doubled} lost {lost}, "
             f"longest gap between starts {gap if gap is None else round(gap, 1)} s, {time.monotonic() - began:.0f} s")


why = Machines.missing()
if why is not None:
    skip_all(why)
main(test)
