#!/usr/bin/python3
"""Members of an agent cluster come and go while orders run, with real processes: a fourth joins, leadership is passed on, one leaves,
one loses its disk and rejoins, one that was away gets a snapshot, and in the end one survivor of three is made a new beginning. Every job
appends to a file of its own what it is; that is compared with the journal: nothing lost, nothing doubled."""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from agents import BUILD, CLUSTER, SOURCE, Agents, Fault  # noqa: E402
from tap import diag, equal, main, ok  # noqa: E402

ALL = ["a1", "a2", "a3", "a4"]
MASTERS = ["m1", "m2", "m3", "m4"]


class Members(Agents):
    def write_settings(self, name):
        listed = ALL if name == "a4" else ALL[:3]
        members = "".join(f'<member name="{n}" url="https://127.0.0.1:{self.port(n)}" priority="1" maxTasks="8"/>' for n in listed)
        with open(self.path(name + ".xml"), "w") as f:
            f.write(f'<agent xmlns="urn:horarium:settings:1" name="{name}" cluster="{CLUSTER}" dataDirectory="{name}" '
                    f'logFile="{name}.log" logLevel="debug"><listen address="127.0.0.1" port="{self.port(name)}" '
                    f'certificate="certificates/{name}.crt" key="certificates/{name}.key" ca="certificates/ca.crt"/>'
                    f'<journal snapshotEvery="150" segmentBytes="16384"/>{members}'
                    f'<runner program="{BUILD}/horarium-runner"/><master name="main"><member name="m1"/></master></agent>')

    def cli(self, *args, by="a1", text=None):
        r = subprocess.run([os.path.join(BUILD, "horarium"), "cluster", *args, "--settings", self.path(by + ".xml")], input=text,
                           env=dict(os.environ, HORARIUM_DATADIR=os.environ.get("HORARIUM_DATADIR", os.environ.get("HOR_SRCDIR", "."))),
                           capture_output=True, text=True, timeout=90)
        return r.returncode, r.stdout + r.stderr

    def members(self, by="a1"):
        """name -> attributes, as the leader sees it; with the status element's own ones under ''."""
        code, text = self.cli("status", "--xml", by=by)
        if code != 0:
            raise Fault("cli", text)
        found = {}
        for m in re.finditer(r"<\S*member\s([^>]*)>", text):
            a = dict(re.findall(r'(\w+)="([^"]*)"', m.group(1)))
            if a["name"] not in found or int(a["id"]) > int(found[a["name"]]["id"]):
                found[a["name"]] = a
            found.setdefault("ids", []).append(a["id"])
        found[""] = dict(re.findall(r'(\w+)="([^"]*)"', re.search(r"<\S*status\s([^>]*)>", text).group(1)))
        return found

    def until(self, wanted, seconds=60, by="a1"):
        """Asks the members again and again: there is no event for a person to wait for."""
        deadline = time.monotonic() + seconds
        seen = None
        while time.monotonic() < deadline:
            try:
                seen = self.members(by)
                if wanted(seen):
                    return seen
            except Fault as e:
                seen = e
            threading.Event().wait(0.1)
        raise TimeoutError(f"not within {seconds} s: {seen}")


class Load(threading.Thread):
    """Adds an order now and then, at whichever member answers, and remembers those that were taken."""

    def __init__(self, agents):
        super().__init__(daemon=True)
        self.agents, self.taken, self.end, self.names = agents, [], threading.Event(), list(ALL[:3])

    def run(self):
        number = 0
        while not self.end.wait(0.15):
            number += 1
            order = f"load-{number}"
            for _ in range(200):
                try:
                    for name in list(self.names):
                        try:
                            self.agents.add([(order, "/step")], name, arguments={"file": self.agents.path("ran")})
                            self.taken.append(order)
                            raise StopIteration
                        except (OSError, Fault):
                            pass
                except StopIteration:
                    break
                if self.end.wait(0.1):
                    return


def documents():
    return {"mark.job": '<job{c}><parameter name="file" required="true"/><script><![CDATA[\n'
                        'echo "$HORARIUM_TASK $HORARIUM_FENCE" >>"$HORARIUM_PARAM_FILE"\n]]></script>'
                        '<agentLoss action="restart"/></job>',
            "step.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><parameter name="file" required="true"/>'
                          '<node id="one" job="/mark"/></jobChain>'}


def ran(a):
    try:
        with open(a.path("ran")) as f:
            return [line.split() for line in f]
    except OSError:
        return []


def all_events(a, name):
    after, events = 0, []
    while True:
        position, some = a.events(name, after)
        if not some and position == after:
            return events
        events += some
        after = position


def acknowledge(a, name):
    run_id = a.call("<Ping/>", name).findtext("{urn:horarium:agent:1}runId")
    position, _ = a.events(name, 0, 0, 1)
    state = a.members(by=name)[""]
    a.call(f"<AcknowledgeEvents ><master>main</master><runId>{run_id}</runId><upTo>{state['commitIndex']}</upTo></AcknowledgeEvents>", name)


def wait_orders(a, name, orders, after, seconds=90):
    """Until each has ended; its end's state. Asks by order, as old events may be gone from the journal."""
    deadline = time.monotonic() + seconds
    ends = {}
    while set(orders) - set(ends):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ended: {sorted(set(orders) - set(ends))[:5]}")
        after, events = a.events(name, after, 1000)
        for e in events:
            if e["type"] == "orderEnded":
                ends[e["order"]] = e.get("state")
    return ends


def test():
    a = Members(ALL)
    with a:
        for name in ALL[:3]:
            a.start(name)
        a.leader()
        a.release(1, documents(), "a1")
        load = Load(a)
        load.start()
        try:
            seen = a.until(lambda s: all(s.get(n, {}).get("folder") for n in ALL[:3]))
            equal(sorted(seen["ids"]), ["1", "2", "3"], "three members, and whose folders are whose is known")
            code, text = a.cli("status")
            ok(code == 0 and "leads" in text and "voter" in text, "a person sees it")
            diag(text)

            # A fourth joins while orders run.
            started = time.monotonic()
            code, text = a.cli("add", "a4", f"https://127.0.0.1:{a.port('a4')}", "--max-tasks", "4")
            ok(code == 0, f"a fourth member is added {text.strip()}")
            a.start("a4")
            seen = a.until(lambda s: s.get("a4", {}).get("role") == "voter")
            diag(f"it had its vote after {time.monotonic() - started:.2f} s")
            equal(seen["a4"]["id"], "4", "it gets the next id and its vote")
            load.names.append("a4")

            # Leadership goes where it is wanted.
            code, text = a.cli("transfer", "a4")
            ok(code == 0, "leadership is passed on")
            seen = a.until(lambda s: s["a4"]["state"] == "leader")
            ok(True, "the new member leads")

            # One leaves; and three stay.
            load.names.remove("a1")
            code, text = a.cli("remove", "a1", by="a2")
            ok(code == 0, f"one of four is removed {text.strip()}")
            seen = a.until(lambda s: "a1" not in s and len(s["ids"]) == 3, by="a2")
            a.stop("a1")
            code, text = a.cli("remove", "a2", by="a2")
            ok(code != 0 and "voters" in text, f"a second one is not: {text.strip()}")

            # One that is away for longer than the journal is kept gets a snapshot.
            lag = "a3" if seen["a3"]["state"] != "leader" else "a2"
            stay = "a2" if lag == "a3" else "a3"
            a.stop(lag, signal.SIGKILL)
            load.names.remove(lag)
            batch = [(f"batch-{i}", "/step") for i in range(120)]
            now = int(a.members(by=stay)[""]["commitIndex"])
            a.add(batch, stay, arguments={"file": a.path("ran")})
            wait_orders(a, stay, [o for o, _ in batch], now)
            for name in (stay, "a4"):
                acknowledge(a, name)
            batch = [(f"more-{i}", "/step") for i in range(120)]
            now = int(a.members(by=stay)[""]["commitIndex"])
            a.add(batch, stay, arguments={"file": a.path("ran")})
            wait_orders(a, stay, [o for o, _ in batch], now)
            seen = a.until(lambda s: int(s[""]["firstIndex"]) > 100, by=stay)
            first = int(seen[""]["firstIndex"])
            a.start(lag)
            a.until(lambda s: int(s[lag].get("match", 0)) + 64 >= int(s[""]["commitIndex"]), by=stay)
            snapshots = [n for n in os.listdir(a.path(lag, "journal")) if n.startswith("snapshot-")]
            ok(snapshots and first > 100, f"a member that was away caught up by {snapshots}; the leader's journal begins with {first}")
            load.names.append(lag)

            # One loses its disk.
            a.stop(lag, signal.SIGKILL)
            load.names.remove(lag)
            shutil.rmtree(a.path(lag, "journal"))
            before = a.until(lambda s: True, by=stay)[lag]["id"]
            a.start(lag)
            seen = a.until(lambda s: s[lag]["id"] != before and s[lag]["role"] == "voter" and len(s["ids"]) == 3, by=stay)
            ok(before not in seen["ids"], f"a member that lost its disk rejoins: {before} becomes {seen[lag]['id']}")
            load.names.append(lag)
        finally:
            load.end.set()
            load.join(30)

        # What was taken ran, each once.
        taken = list(load.taken)
        final = {}
        deadline = time.monotonic() + 60
        for order in taken:
            while True:
                try:
                    state = a.state(order, stay)
                except Fault:
                    state = "gone"  # ended, acknowledged, forgotten
                if state in ("gone", "succeeded") or time.monotonic() > deadline:
                    final[order] = state
                    break
                threading.Event().wait(0.05)
        tasks = [t for t, _ in ran(a)]
        orders = [t.split(":")[0] for t in tasks]
        lost = [o for o in taken if o not in orders]
        ok(len(taken) > 20 and not lost, f"{len(taken)} orders of the load ran, besides 240 others {lost[:3]}")
        equal(len(set(tasks)), len(tasks), "no task was started twice")
        bad = {o: s for o, s in final.items() if s not in ("gone", "succeeded")}
        equal(bad, {}, "every order ended well")

        # Two of three disks are gone for good.
        for name in list(a.processes):
            a.stop(name, signal.SIGKILL)
        code, text = a.cli("force", by=stay, text="no\n")
        ok(code != 0 and "nothing was changed" in text, "force asks, and believes no")
        diag(text)
        code, text = a.cli("force", by=stay, text=CLUSTER + "\n")
        ok(code == 0, f"confirmed it makes a new beginning: {text.splitlines()[-2][:100]}")
        a.start(stay)
        seen = a.until(lambda s: s[stay]["state"] == "leader", by=stay)
        ok(int(seen[""]["incarnation"]) > 1 and len(seen["ids"]) == 1, "it is the cluster, in a new incarnation")
        a.add([("after", "/step")], stay, arguments={"file": a.path("ran")})
        a.wait_for(stay, lambda e: e["type"] == "orderEnded" and e.get("order") == "after", after=int(seen[""]["commitIndex"]) - 1)
        ok("after" in [t.split(":")[0] for t, _ in ran(a)], "which runs orders")
        equal(len({t for t, _ in ran(a)}), len(ran(a)), "and nothing that had run is run again")
        a.start("a4")
        threading.Event().wait(1)  # it tells its old cluster's news, which nobody may take
        seen = a.until(lambda s: True, by=stay)
        equal(seen["ids"], [seen[stay]["id"]], "a member of the old one is not heard")
        ok("incarnation" in a.log(stay) or "removed" in a.log(stay), "and told so")
        a.stop("a4")
        shutil.rmtree(a.path("a4", "journal"))
        code, text = a.cli("add", "a4", f"https://127.0.0.1:{a.port('a4')}", by=stay)
        ok(code == 0, f"it is added anew {text.strip()}")
        a.start("a4")
        a.until(lambda s: s.get("a4", {}).get("role") == "voter", by=stay)
        ok(True, "and with nothing it joins")


class Masters(Members):
    """The same for a Master cluster: the members are Masters, and nobody has orders."""

    def write_settings(self, name):
        listed = MASTERS if name == "m4" else MASTERS[:3]
        members = "".join(f'<member name="{n}" url="https://127.0.0.1:{self.port(n)}"/>' for n in listed)
        with open(self.path(name + ".xml"), "w") as f:
            f.write(f'<master xmlns="urn:horarium:settings:1" name="{name}" cluster="main" dataDirectory="{name}" failback="manual" '
                    f'logFile="{name}.log" logLevel="debug"><listen address="127.0.0.1" port="{self.port(name)}" '
                    f'certificate="certificates/{name}.crt" key="certificates/{name}.key" ca="certificates/ca.crt"/>{members}</master>')

    def start(self, name):
        self.processes[name] = subprocess.Popen([os.path.join(BUILD, "horarium-master"), "--settings", self.path(name + ".xml")],
                                                env=dict(os.environ, HORARIUM_DATADIR=os.environ.get("HORARIUM_DATADIR", SOURCE)), cwd=self.dir)


def test_masters():
    a = Masters(MASTERS)
    with a:
        for name in MASTERS[:3]:
            a.start(name)
        seen = a.until(lambda s: all(s.get(n, {}).get("folder") for n in MASTERS[:3]) and s[""]["leader"] != "0", by="m1")
        equal(sorted(seen["ids"]), ["1", "2", "3"], "Masters: three members")
        code, text = a.cli("add", "m4", f"https://127.0.0.1:{a.port('m4')}", by="m1")
        ok(code == 0, f"Masters: a fourth is added {text.strip()}")
        a.start("m4")
        a.until(lambda s: s.get("m4", {}).get("role") == "voter", by="m1")
        code, text = a.cli("transfer", "m4", by="m1")
        a.until(lambda s: s["m4"]["state"] == "leader", by="m2")
        ok(code == 0, "Masters: it catches up, votes, and leads when it is asked to")
        code, text = a.cli("remove", "m1", by="m2")
        a.until(lambda s: "m1" not in s and len(s["ids"]) == 3, by="m2")
        ok(code == 0, f"Masters: one leaves {text.strip()}")
        a.stop("m1")
        a.stop("m3", signal.SIGKILL)
        shutil.rmtree(a.path("m3", "journal"))
        a.start("m3")
        seen = a.until(lambda s: s["m3"]["id"] == "5" and s["m3"]["role"] == "voter" and len(s["ids"]) == 3, by="m2")
        ok("3" not in seen["ids"], "Masters: one that lost its disk rejoins under a new id")


def both():
    test()
    test_masters()


main(both)
