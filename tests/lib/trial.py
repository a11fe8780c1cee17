"""A whole Horarium in a temporary folder, for the system tests: real programs, real sockets, real jobs.

Waiting is done on events: `wait_for` asks again whenever the Supervisor reports something new (its long poll), never
after a guessed time. Only processes that were started here are ended, by pid."""
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

SOURCE = os.environ.get("HOR_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HOR_BUILDDIR", "."))
NS = {"sup": "urn:horarium:supervisor:1", "t": "urn:horarium:types:1"}
ENDED = {"succeeded", "warned", "failedFinally", "cancelled", "skipped", "missed"}


def free_port_base():
    """Twenty free ports in a row, above those that the kernel hands out by itself where possible."""
    start = 20000 + os.getpid() * 37 % 10000
    for base in range(start, start + 4000, 20):
        sockets = []
        try:
            for port in range(base, base + 20):
                s = socket.socket()
                sockets.append(s)
                s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise RuntimeError("no twenty free ports in a row")


class Failed(Exception):
    def __init__(self, command, code, out, err):
        super().__init__(f"{command}: exit {code}\n{out}\n{err}")
        self.code, self.out, self.err = code, out, err


class Trial:
    def __init__(self, agents=1, examples=True, keep=False, masters=1):
        self.dir = tempfile.mkdtemp(prefix="horarium-", dir=os.environ.get("TMPDIR"))
        self.keep = keep or bool(os.environ.get("HOR_KEEP"))
        self.base = free_port_base()
        self.agents = agents
        self.masters = [f"m{i + 1}" for i in range(masters)]
        self.processes = {}
        self.environment = dict(os.environ, PORT_BASE=str(self.base), AGENTS=str(agents), MASTERS=str(masters), BINDIR=BUILD, LIBEXECDIR=BUILD,
                                HORARIUM_DATADIR=SOURCE, TRIAL_PASSWORD="trial-password")
        self.names = [f"a{i + 1}" for i in range(agents)] + self.masters + ["supervisor"]
        if not examples:
            os.makedirs(self.path("repository", "placeholder"))
        self.trial("init")
        if not examples:
            os.rmdir(self.path("repository", "placeholder"))

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def trial(self, action):
        subprocess.run([os.path.join(SOURCE, "examples/trial/trial"), action, self.dir], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)

    # -- programs ---------------------------------------------------------------------------------
    def port(self, name):
        if name == "supervisor":
            return self.base + 3
        return self.base + (3 if name[0] == "m" else 10) + int(name[1:])

    def address(self, name):
        return "127.0.0.1"

    def command(self, name):
        return [self.program(name), "--settings", self.path("settings", f"{name}.xml")]

    def program(self, name):
        kind = {"s": "supervisor", "m": "master", "a": "agent"}[name[0]]
        return os.path.join(BUILD, f"horarium-{kind}")

    def spawn(self, name, **environment):
        with open(self.path("log", f"{name}.out"), "ab") as out:
            self.processes[name] = subprocess.Popen(self.command(name), env={**self.environment, **environment},
                                                    stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def start(self, *names):
        for name in names or self.names:
            self.spawn(name)
        for name in names or self.names:
            self.await_ready(name)

    def await_ready(self, name, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            process = self.processes[name]
            try:
                if self.get(name, "/healthz")[0] == 200:
                    return
            except OSError:
                pass
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {self.log_tail(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} is not ready: {self.log_tail(name)}")
            # Nothing to wait on before a program listens: look at its exit, 20 times a second.
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass

    def kill(self, *names, sig=signal.SIGKILL):
        for name in names or self.names:
            self.processes[name].send_signal(sig)
        if sig in (signal.SIGKILL, signal.SIGTERM):
            for name in names or self.names:
                self.processes[name].wait(30)

    def log_tail(self, name, lines=15):
        text = ""
        for suffix in ("out", "log"):
            try:
                with open(self.path("log", f"{name}.{suffix}"), errors="replace") as f:
                    text += "".join(f.readlines()[-lines:])
            except FileNotFoundError:
                pass
        return text

    def runner_pids(self):
        """Pids of the runners that work in this trial's folder."""
        pids = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as f:
                        words = f.read().split(b"\0")
                    if words[0].endswith(b"horarium-runner") and any(w.startswith(self.dir.encode()) for w in words):
                        pids.append(int(entry))
                except OSError:
                    pass
        return pids

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for name, process in self.processes.items():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                print(f"# {name} did not end at SIGTERM", flush=True)
                process.kill()
                process.wait()
        for pid in self.runner_pids():
            os.kill(pid, signal.SIGKILL)
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for name in self.names:
                print(f"# --- {name}\n# " + self.log_tail(name).replace("\n", "\n# "), flush=True)
        self.end()

    # -- talking to it ----------------------------------------------------------------------------
    def get(self, name, path, headers=None, data=None):
        """(status, text) of an HTTPS request that trusts the trial's authority only."""
        context = ssl.create_default_context(cafile=self.path("certificates", "ca.crt"))
        request = urllib.request.Request(f"https://{self.address(name)}:{self.port(name)}{path}", data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, context=context, timeout=20) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def run(self, *arguments, stdin=None, check=True, timeout=120):
        """The command line; (exit code, stdout, stderr). Failed when check and the code is not 0."""
        done = subprocess.run([os.path.join(BUILD, "horarium"), "--dir", self.dir, *map(str, arguments)], env=self.environment,
                              input=stdin, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise Failed(" ".join(map(str, arguments)), done.returncode, done.stdout, done.stderr)
        return done.returncode, done.stdout, done.stderr

    def xml(self, *arguments):
        return ElementTree.fromstring(self.run(*arguments, "--xml")[1])

    def deploy(self, reason="test"):
        number = self.run("release", "create", "--reason", reason, "--quiet")[1].strip()
        self.run("release", "approve", number, "--reason", reason)
        self.run("deploy", number, "--reason", reason)
        return number

    def add(self, chain, *arguments):
        return self.run("order", "add", chain, "--reason", "test", "--quiet", *arguments)[1].strip()

    def order(self, order):
        return self.xml("order", "show", order)

    def state(self, order):
        return self.order(order).findtext("sup:order/t:state", namespaces=NS)

    def position(self, after=None, wait_ms=0):
        arguments = ["events", "--limit", "1000"]
        if after is not None:
            arguments += ["--after", str(after), "--wait", str(wait_ms)]
        return int(self.xml(*arguments).findtext("sup:position", namespaces=NS))

    def wait_for(self, condition, seconds=60):
        """Returns what condition() gives once that is true; asks again after each new event."""
        deadline = time.monotonic() + seconds
        position = 0
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true within {seconds} s: {condition}")
            position = self.position(position, 2000)

    def wait_state(self, order, *states, seconds=60):
        wanted = set(states) or ENDED
        last = []

        def reached():
            last[:] = [self.state(order)]
            return last[0] if last[0] in wanted else None
        try:
            return self.wait_for(reached, seconds)
        except TimeoutError:
            raise TimeoutError(f"order {order} is {last[0]}, wanted {sorted(wanted)}") from None

    def wait_file(self, path, text="", seconds=30):
        """Waits until a job has written `text` to a file; jobs report only to the file system here."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with open(path, errors="replace") as f:
                    content = f.read()
                if text in content:
                    return content
            except FileNotFoundError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} in {path}")
            os.sched_yield()
            time.sleep(0.02)  # between two looks at the file: there is no event of the system to wait on

    def sql(self, statement, *parameters):
        connection = sqlite3.connect(f"file:{self.path('data', 'history.sqlite')}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def write(self, path, text):
        full = self.path("repository", path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)


if __name__ == "__main__":
    sys.exit("this is a module")
