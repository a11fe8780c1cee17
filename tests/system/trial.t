#!/usr/bin/python3
"""The trial that ./quickstart makes: a Master cluster of three and three agents, started, started again, mended and stopped by
examples/trial/trial alone."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import equal, main, ok  # noqa: E402
from trial import SOURCE, Trial  # noqa: E402

NAMES = ["a1", "a2", "a3", "m1", "m2", "m3", "supervisor"]


class Whole(Trial):
    def __init__(self):
        super().__init__(agents=3, masters=3)

    def do(self, action, **settings):
        """(exit code, both outputs) of examples/trial/trial, through a file: what it starts must not hold a pipe open."""
        with open(self.path("said"), "w+") as said:
            done = subprocess.run([os.path.join(SOURCE, "examples/trial/trial"), action, self.dir], stdin=subprocess.DEVNULL,
                                  env=dict(self.environment, **settings), stdout=said, stderr=said, timeout=180)
            said.seek(0)
            return done.returncode, said.read()

    def pids(self):
        """{name: pid} of what `trial status` calls running."""
        words = [line.replace(",", "").split() for line in self.do("status")[1].splitlines()]
        return {w[0]: int(w[3]) for w in words if w[1] == "running"}

    def mine(self):
        """Pids of all programs that were started with settings of this trial."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    words = f.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(w.startswith(self.path("settings")) and w.endswith(".xml") for w in words):
                found.append(int(entry))
        return found

    def settings(self):
        texts = {}
        for name in sorted(os.listdir(self.path("settings"))):
            with open(self.path("settings", name)) as f:
                texts[name] = f.read()
        return texts

    def roles(self):
        return {m: self.get(m, "/healthz")[1].strip() for m in ("m1", "m2", "m3")}

    def end(self):
        self.do("stop")
        for pid in self.mine():
            os.kill(pid, signal.SIGKILL)
        super().end()


def runs_end_of_day(trial, when):
    order = trial.add("/finance/eod")
    trial.run("order", "wait", order, "--timeout", "100")
    ok(trial.state(order) == "succeeded", f"the end of day succeeds {when}", order)


def kill_and_await(trial, pids, *names):
    """kill -9; the processes are children of nobody here, so their ends are looked at, for a while."""
    for name in names:
        os.kill(pids[name], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while set(names) & set(trial.pids()) and time.monotonic() < deadline:
        pass
    return trial.pids()


def shape(trial):
    before = trial.settings()
    equal([n[:-4] for n in before if n[:-4] in NAMES], NAMES, "every program has settings")
    masters = [line for line in before["supervisor.xml"].splitlines() if "<member" in line]
    ok(len(masters) == 3, "the Supervisor's settings list every Master", *masters)
    ok('witness="true"' in masters[2] and "witness" not in masters[0] + masters[1], "the third is the witness", *masters)
    for name in NAMES:
        program = [trial.program(name), "--settings", trial.path("settings", f"{name}.xml"), "--check-settings"]
        done = subprocess.run(program, env=trial.environment, capture_output=True, text=True, timeout=60)
        ok(done.returncode == 0, f"the settings of {name} are right", done.stdout, done.stderr)
    code, said = trial.do("init", MASTERS="1", AGENTS="5", PORT_BASE=str(trial.base + 100))
    ok(code == 0 and trial.settings() == before, "a trial that is there keeps what it was made with", said)
    code, said = trial.do("init", MASTERS="2")
    ok(code == 2 and "1 or 3" in said, "a Master cluster of two is refused", said)
    equal(trial.do("url")[1].strip(), f"https://127.0.0.1:{trial.port('supervisor')}/", "it tells where the Controller is")


def life(trial):
    code, said = trial.do("start")
    ok(code == 0, "everything starts", said)
    pids = trial.pids()
    equal(sorted(pids), NAMES, "seven programs run")
    code, said = trial.do("start")
    ok(code == 0 and trial.pids() == pids, "started again, they are left alone", said)
    trial.deploy()
    runs_end_of_day(trial, "on three agents under three Masters")
    roles = trial.roles()
    ok(sorted(roles.values()) == ["active", "stand-by", "stand-by"] and roles["m3"] == "stand-by", f"one Master is active: {roles}")

    active = next(name for name, role in roles.items() if role == "active")
    left = kill_and_await(trial, pids, active, "a1")
    equal(sorted(left), sorted(set(NAMES) - {active, "a1"}), "what was killed counts as stopped")
    code, said = trial.do("start")
    now = trial.pids()
    ok(code == 0 and sorted(now) == NAMES, "what was killed is brought back", said)
    ok(all(now[name] == pid for name, pid in left.items()), "and only that")
    ok(now[active] != pids[active] and now["a1"] != pids["a1"], "as new processes")
    runs_end_of_day(trial, "after that")

    code, said = trial.do("stop")
    ok(code == 0 and trial.pids() == {} and trial.mine() == [], "all of it ends", said)
    with open(trial.path("m1.pid"), "w") as f:
        f.write(f"{os.getpid()}\n")
    ok("m1" not in trial.pids(), "a process number that came again is not taken for a Master")
    code, said = trial.do("stop")
    ok(code == 0, "stopping what is stopped is no error, and ends nobody else", said)
    code, said = trial.do("start")
    ok(code == 0 and sorted(trial.pids()) == NAMES, "it can be started once more", said)
    runs_end_of_day(trial, "from what is on disk")


def test():
    with Whole() as trial:
        shape(trial)
        life(trial)


main(test)
