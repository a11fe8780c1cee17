"""What jobs themselves wrote down, compared with all that Horarium says of them: rows, service, command line, journals.

A job in the ledger appends a line when it starts and one when it ends, to a file that no program of Horarium touches:
    start TASK FENCE AGENT SECONDS
    end TASK FENCE AGENT SECONDS EXITCODE
A gate (a pipe named after NODE:ATTEMPT) holds such a job between the two until it is opened."""
import collections
import os
import re
import subprocess

from tap import equal, ok
from trial import BUILD, NS

Line = collections.namedtuple("Line", "what task fence agent at code")
# Events that concern an order and come from the agents' own journal.
OF_AGENTS = ("orderStarted", "orderSuspended", "orderResumed", "orderMarked", "orderFailed", "orderEnded", "nodeSkipped", "nodeReset",
             "nodeSet", "taskAssigned", "taskStarted", "taskKilling", "taskEnded", "taskInDoubt", "retryScheduled")


class Ledger:
    def __init__(self, trial):
        self.trial = trial
        self.file = trial.path("ledger")
        self.gates = trial.path("gates")
        self.held = {}
        os.mkdir(self.gates)
        open(self.file, "w").close()

    def script(self):
        """Shell lines for the beginning of a job's script."""
        line = "$HORARIUM_TASK $HORARIUM_FENCE $HORARIUM_AGENT $(date +%s.%N)"
        return (f"trap 'code=$?; echo \"end {line} $code\" >>{self.file}' EXIT\n"
                f'echo "start {line}" >>{self.file}\n'
                f'gate="{self.gates}/${{HORARIUM_TASK#*:}}"\n[ ! -p "$gate" ] || read -r opened <"$gate"\n')

    def instrument(self, path):
        """Puts a job document of the repository into the ledger."""
        with open(self.trial.path("repository", path)) as f:
            text = f.read()
        self.trial.write(path, text.replace("<![CDATA[\n", "<![CDATA[\n" + self.script(), 1))

    # -- gates ------------------------------------------------------------------------------------
    def close(self, *names):
        """Jobs NODE:ATTEMPT stop at their gate until it is opened. Both ends are held, so nobody blocks for ever."""
        for name in names:
            os.mkfifo(os.path.join(self.gates, name))
            self.held[name] = os.open(os.path.join(self.gates, name), os.O_RDWR)

    def open(self, *names):
        for name in names:
            os.write(self.held[name], b"0\n")

    def remove(self):
        for name, fd in self.held.items():
            os.unlink(os.path.join(self.gates, name))
            os.close(fd)
        self.held.clear()

    # -- what it says -----------------------------------------------------------------------------
    def lines(self, what=None, order=None):
        with open(self.file) as f:
            words = [line.split() for line in f.read().splitlines()]
        return [Line(w[0], w[1], int(w[2]), w[3], float(w[4]), int(w[5]) if len(w) > 5 else None) for w in words
                if what in (None, w[0]) and (order is None or w[1].startswith(order + ":"))]

    def await_start(self, order, *names, seconds=60):
        for name in names:
            self.trial.wait_file(self.file, f"start {order}:{name} ", seconds)

    def await_end(self, order, *names, seconds=60):
        for name in names:
            self.trial.wait_file(self.file, f"end {order}:{name} ", seconds)

    # -- comparing --------------------------------------------------------------------------------
    def journal(self, agent):
        """Index to (type, attributes) of the agents' events, as one member's recovery files say."""
        shown = subprocess.run([os.path.join(BUILD, "horarium"), "--xml", "journal", "show", self.trial.path("data", agent, "journal")],
                               capture_output=True, text=True, check=True, timeout=120).stdout
        found = re.findall(r'<entry index="(\d+)" [^>]*><(\w+)((?: [\w:]+="[^"]*")*)', shown)
        return {int(i): (kind, dict(re.findall(r' ([\w:]+)="([^"]*)"', attributes))) for i, kind, attributes in found}

    def check_events(self, agent, cluster="/clusters/local"):
        """The database has each event of the agents' journal once, unchanged, and no others."""
        rows = self.trial.sql("SELECT event_type, document FROM event_log ORDER BY event_no")
        stored = collections.defaultdict(list)
        for kind, document in rows:
            attributes = dict(re.findall(r' ([\w:]+)="([^"]*)"', document.split(">")[0]))
            if attributes.get("cluster") == cluster and "clusterIndex" in attributes and kind in OF_AGENTS:
                index = int(attributes.pop("clusterIndex"))
                attributes.pop("cluster")
                stored[index].append((kind, attributes))
        wanted = {i: e for i, e in self.journal(agent).items() if e[0] in OF_AGENTS and "master" in e[1]}
        doubled = {i: e for i, e in stored.items() if len(e) > 1}
        lost = {i: e for i, e in wanted.items() if i not in stored}
        other = {i: (e, wanted.get(i)) for i, e in stored.items() if e[0] != wanted.get(i)}
        ok(not doubled, "no event is in the database twice", doubled)
        ok(not lost, "no event of the agents' journal is missing in the database", lost)
        ok(not other, "every event in the database is as the agents' journal has it", list(other.items())[:3])
        ok(list(stored) == sorted(stored), "and they came in the journal's order")
        return len(wanted), len(doubled), len(lost)

    def check_order(self, order, killed=()):
        """Ledger, rows, service and command line tell the same of an order; tasks `killed` have a start and no end."""
        starts = collections.Counter(line.task for line in self.lines("start", order))
        ends = collections.Counter(line.task for line in self.lines("end", order))
        equal({t: n for t, n in (starts + ends).items() if starts[t] > 1 or ends[t] > 1}, {}, "no task ran twice")
        equal(sorted(set(starts) - set(ends)), sorted(killed), "every task that started came to its end" +
              (", but for those that were killed" if killed else ""))
        codes = {line.task: line.code for line in self.lines("end", order)}
        fences = {line.task: line.fence for line in self.lines("start", order)}
        rows = self.trial.sql("SELECT task_id, exit_code, outcome, state FROM task_run WHERE order_id = ?", order)
        equal(sorted(r[0] for r in rows), sorted(starts), "the database has the tasks that ran and no others")
        equal({r[0]: r[1] for r in rows if r[0] in codes}, codes, "with the exit codes that they had")
        equal({r[3] for r in rows}, {"ended"}, "all of them ended")
        answer = self.trial.order(order)
        told = {t.findtext("t:id", namespaces=NS): t.findtext("t:exitCode", namespaces=NS)
                for t in answer.findall("sup:task", NS)}
        equal(sorted(told), sorted(starts), "the service tells of the same tasks")
        equal({t: c for t, c in told.items() if t in codes}, {t: str(c) for t, c in codes.items()}, "and of the same exit codes")
        table = self.trial.run("task", "list", "--order", order, "--limit", "1000")[1].splitlines()[1:]
        equal(sorted(row.split()[0] for row in table), sorted(starts), "the command line lists the same tasks")
        equal(self.trial.state(order), self.trial.sql("SELECT state FROM order_run WHERE order_id = ?", order)[0][0],
              "service and row agree on the order's state")
        return fences
