"""A trial whose agents live on machines of their own, as far as one kernel can make them: each has its network namespace
(with a cable to a common bridge), a start of the machine (boot id), and may have a small disk. Processes, machines, cables
and disks fail and are repaired here; what comes of it is for the test to judge. Root only (Machines.missing says why not)."""
import os
import random
import re
import shutil
import signal
import subprocess

from trial import BUILD, Trial

TOOLS = ["ip", "nft", "mount", "umount"]


def tool(*words, text=None, check=True):
    return subprocess.run(words, input=text, capture_output=True, text=True, check=check, timeout=30)


class Machines(Trial):
    @staticmethod
    def missing():
        """Why this cannot be run here; None: it can."""
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        if os.geteuid() != 0:
            return "network namespaces and small disks need root"
        for name in TOOLS:
            if shutil.which(name) is None:
                return f"{name} is not installed"
        name = f"horprobe{os.getpid()}"
        try:
            tool("ip", "netns", "add", name)
            tool("ip", "netns", "exec", name, "nft", "add", "table", "inet", "hor")
        except subprocess.CalledProcessError as e:
            return f"no network namespaces with a packet filter: {e.stderr.strip()}"
        finally:
            tool("ip", "netns", "del", name, check=False)
        return None

    def __init__(self, agents=3, disk=None):
        """disk: the size of a file system of its own that each agent gets for its data."""
        super().__init__(agents=agents, examples=False)
        self.members = self.names[:agents]
        self.id = f"{os.getpid() % 100000}"
        self.boots = {name: 1 for name in self.members}
        self.cut = set()  # (from, to): packets that do not arrive; "host" is where Master and Supervisor are
        self.unplugged = set()
        self.mounted = []
        try:
            self.make_network()
            self.move_agents()
            for name in self.members if disk is not None else []:
                os.makedirs(self.path("data", name), exist_ok=True)
                tool("mount", "-t", "tmpfs", "-o", f"size={disk},mode=700", "horarium-disk", self.path("data", name))
                self.mounted.append(self.path("data", name))
        except BaseException:
            self.end()
            raise

    # -- network ----------------------------------------------------------------------------------
    def netns(self, name):
        return f"hor{self.id}{name}"

    def make_network(self):
        used = tool("ip", "-o", "-4", "addr").stdout
        self.net = next(n for n in (f"10.77.{i}" for i in random.sample(range(1, 255), 254)) if n + "." not in used)
        bridge = f"hb{self.id}"
        tool("ip", "link", "add", bridge, "type", "bridge")
        tool("ip", "addr", "add", f"{self.net}.254/24", "dev", bridge)
        tool("ip", "link", "set", bridge, "up")
        for name in self.members:
            space = self.netns(name)
            tool("ip", "netns", "add", space)
            tool("ip", "link", "add", f"hv{self.id}{name}", "type", "veth", "peer", "name", "cable", "netns", space)
            tool("ip", "link", "set", f"hv{self.id}{name}", "master", bridge)
            tool("ip", "link", "set", f"hv{self.id}{name}", "up")
            tool("ip", "-n", space, "addr", "add", f"{self.address(name)}/24", "dev", "cable")
            tool("ip", "-n", space, "link", "set", "cable", "up")
            tool("ip", "-n", space, "link", "set", "lo", "up")
            self.filter(name)

    def address(self, name):
        return f"{self.net}.{name[1:]}" if name in self.members else f"{self.net}.254" if name == "host" else "127.0.0.1"

    def move_agents(self):
        """Settings and certificates for the agents' own addresses."""
        for name in self.names:
            path = self.path("settings", f"{name}.xml")
            with open(path) as f:
                text = f.read()
            for agent in self.members:
                text = text.replace(f'"https://127.0.0.1:{self.port(agent)}"', f'"{self.url(agent)}"')
            if name in self.members:
                text = text.replace('<listen address="127.0.0.1"', f'<listen address="{self.address(name)}"')
            with open(path, "w") as f:
                f.write(text)
        shutil.rmtree(self.path("certificates"))
        tool(os.path.join(BUILD, "horarium"), "certificates", "init", "--dir", self.path("certificates"),
             *[f"{n}:{self.address(n)}" if n in self.members else n for n in self.names])

    def url(self, agent):
        return f"https://{self.address(agent)}:{self.port(agent)}"

    def filter(self, name):
        """Puts what is cut into the machine's packet filter: at the receiver, so that no sender is told."""
        drops = "".join(f"ip saddr {self.address(a)} drop; " for a, b in self.cut if b == name)
        drops_out = "".join(f"ip daddr {self.address(b)} drop; " for a, b in self.cut if a == name and b == "host")
        tool("ip", "netns", "exec", self.netns(name), "nft", "-f", "-", text=f"""table inet hor
delete table inet hor
table inet hor {{
  chain in {{ type filter hook input priority 0; policy accept; {drops} }}
  chain out {{ type filter hook output priority 0; policy accept; {drops_out} }}
}}
""")

    def set_cut(self, pairs):
        changed = {n for pair in self.cut ^ set(pairs) for n in pair if n != "host"}
        self.cut = set(pairs)
        for name in changed:
            self.filter(name)

    def plug(self, name, plugged):
        (self.unplugged.discard if plugged else self.unplugged.add)(name)
        tool("ip", "-n", self.netns(name), "link", "set", "cable", "up" if plugged else "down")

    # -- processes --------------------------------------------------------------------------------
    def command(self, name):
        inside = ["ip", "netns", "exec", self.netns(name)] if name in self.members else []
        return inside + super().command(name)

    def spawn(self, name, **environment):
        if name in self.members:
            environment["HORARIUM_BOOT_ID"] = f"start-{self.boots[name]}"
        super().spawn(name, **environment)

    def runner_of(self, name):
        """Pids of that agent's runner: none or one, two while one replaces another."""
        folder = self.path("data", name, "runner").encode()
        pids = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
                if words[0].endswith(b"horarium-runner") and any(os.path.normpath(w) == folder for w in words[1:] if w):
                    pids.append(int(pid))
            except OSError:
                pass
        return pids

    def jobs_of(self, name):
        """Pids of all processes on that machine but its agent and its runner."""
        listed = tool("ip", "netns", "pids", self.netns(name)).stdout.split()
        known = self.runner_of(name) + ([self.processes[name].pid] if name in self.processes else [])
        return [int(pid) for pid in listed if int(pid) not in known]

    def power_off(self, name, rng):
        """The machine goes down: every process is gone at once, and so are the last of the runner's records, which were
        never synced. What the journal synced stays; that its unsynced end is lost as well is left to the simulation."""
        process = self.processes.get(name)
        pids = self.runner_of(name) + ([process.pid] if process is not None and process.poll() is None else [])
        for pid in pids:
            try:  # nobody may see another one die
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        for pid in self.jobs_of(name) + pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if process is not None:
            process.wait(30)
        self.boots[name] += 1
        records = self.path("data", name, "runner", "records")
        try:
            size = os.path.getsize(records)
            with open(records, "r+b") as f:
                f.truncate(rng.randrange(size + 1))
        except FileNotFoundError:
            pass

    def end(self):
        self.set_cut([])
        for name in list(self.unplugged):
            self.plug(name, True)
        for pid in self.runner_pids():
            os.kill(pid, signal.SIGCONT)
        super_error = None
        try:
            keep, self.keep = self.keep, True
            super().end()
        except Exception as e:  # the rest has to go all the same
            super_error = e
        for name in self.members:
            for pid in tool("ip", "netns", "pids", self.netns(name), check=False).stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            tool("ip", "netns", "del", self.netns(name), check=False)
        tool("ip", "link", "del", f"hb{self.id}", check=False)
        for path in self.mounted:
            tool("umount", "-l", path, check=False)
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        if super_error is not None:
            raise super_error

    def figures(self, agent):
        """An agent's own figures by name; None: it cannot be asked."""
        try:
            text = self.get(agent, "/metrics")[1]
        except OSError:
            return None
        return {k: int(v) for k, v in re.findall(r"^horarium_agent_(\w+) (\d+)$", text, re.M)}
