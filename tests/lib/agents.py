"""An agent cluster alone, for the system tests: real agents and runners, driven through their SOAP service as a Master
drives them (mutual TLS, the Master's member m1). Waiting is done with the service's own long polls."""
import base64
import hashlib
import http.client
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape, quoteattr

from trial import free_port_base

SOURCE = os.environ.get("HOR_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HOR_BUILDDIR", "."))
AGT = "urn:horarium:agent:1"
NS = {"agt": AGT, "t": "urn:horarium:types:1", "S": "http://schemas.xmlsoap.org/soap/envelope/"}
CONFIGURATION = "urn:horarium:configuration:1"
CLUSTER = "/clusters/etl"


def now(offset=0.0):
    t = time.time() + offset
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1000000):06d}Z"


class Fault(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Agents:
    """names[i] listens on base + i. Use as a context manager: everything that was started is ended."""

    def __init__(self, names, selection="fixedPriority", spill=True):
        self.names = names
        self.selection = selection
        self.spill = spill
        self.processes = {}
        self.runners = set()
        self.commands = 0

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="horarium-agents-")
        self.base = free_port_base()
        subprocess.run([os.path.join(BUILD, "horarium"), "certificates", "init", "--dir", self.path("certificates")]
                       + self.names + ["m1", "stranger"], check=True, stdout=subprocess.DEVNULL)
        for name in self.names:
            self.write_settings(name)
        return self

    def __exit__(self, *_):
        for name in list(self.processes):
            self.stop(name)
        for name in self.names:
            self.stop_runner(name)
        if os.environ.get("HOR_KEEP"):
            print(f"# kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def port(self, name):
        return self.base + self.names.index(name)

    def write_settings(self, name):
        members = "".join(f'<member name="{n}" url="https://127.0.0.1:{self.port(n)}" priority="{len(self.names) - i}" maxTasks="8"/>'
                          for i, n in enumerate(self.names))
        with open(self.path(name + ".xml"), "w") as f:
            f.write(f'<agent xmlns="urn:horarium:settings:1" name="{name}" cluster="{CLUSTER}" dataDirectory="{name}" '
                    f'logFile="{name}.log" logLevel="debug"><listen address="127.0.0.1" port="{self.port(name)}" '
                    f'certificate="certificates/{name}.crt" key="certificates/{name}.key" ca="certificates/ca.crt"/>{members}'
                    f'<runner program="{BUILD}/horarium-runner"/><master name="main"><member name="m1"/></master></agent>')

    def start(self, name):
        self.processes[name] = subprocess.Popen([os.path.join(BUILD, "horarium-agent"), "--settings", self.path(name + ".xml")],
                                                env=dict(os.environ, HORARIUM_DATADIR=SOURCE), cwd=self.dir)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.call("<Ping/>", name)
                return
            except (OSError, Fault):
                if self.processes[name].poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} did not start: {self.log(name)[-2000:]}")
                try:  # an event: the process ends; else ask again
                    self.processes[name].wait(0.05)
                except subprocess.TimeoutExpired:
                    pass

    def stop(self, name, how=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
            return process.wait(20)
        return None

    def stop_runner(self, name):
        """Runners outlive agents on purpose: this test's are found by their folder, which only they have."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    line = f.read()
            except OSError:
                continue
            if b"horarium-runner" in line and self.path(name, "").encode() in line + b"/":
                try:
                    os.kill(int(pid), signal.SIGTERM)
                except OSError:
                    pass

    def log(self, name):
        try:
            with open(self.path(name + ".log")) as f:
                return f.read()
        except OSError:
            return ""

    def raw(self, body, name, certificate="m1", timeout=70):
        context = ssl.create_default_context(cafile=self.path("certificates", "ca.crt"))
        if certificate:
            context.load_cert_chain(self.path("certificates", certificate + ".crt"), self.path("certificates", certificate + ".key"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port(name), context=context, timeout=timeout)
        try:
            connection.request("POST", "/soap/agent", body.encode(), {"Content-Type": "text/xml; charset=utf-8"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (ssl.SSLError, http.client.HTTPException) as e:
            raise OSError(str(e)) from e
        finally:
            connection.close()

    def call(self, element, name, certificate="m1"):
        """One request element (without namespace); the response element."""
        body = element.replace(" ", f' xmlns="{AGT}" ', 1) if " " in element.split(">")[0] else \
            element.replace("/>", f' xmlns="{AGT}"/>', 1) if element.split(">")[0].endswith("/") else \
            element.replace(">", f' xmlns="{AGT}">', 1)
        status, text = self.raw(f'<S:Envelope xmlns:S="{NS["S"]}"><S:Body>{body}</S:Body></S:Envelope>', name, certificate)
        root = ElementTree.fromstring(text)
        content = root.find("S:Body", NS)[0]
        if status != 200:
            detail = content.find("detail")
            code = detail[0].findtext("t:code", "", NS) if detail is not None and len(detail) else content.findtext("faultcode")
            what = detail[0].findtext("t:text", "", NS) if detail is not None and len(detail) else content.findtext("faultstring")
            raise Fault(code, what)
        return content

    def release(self, number, documents, name):
        """documents: path.kind -> element text (with {c} for the namespace attribute)."""
        c = f' xmlns="{CONFIGURATION}"'
        members = "".join(f'<member name="{n}" url="https://127.0.0.1:{self.port(n)}" priority="{len(self.names) - i}" maxTasks="8"/>'
                          for i, n in enumerate(self.names))
        all_documents = {"clusters/etl.agentCluster": f'<agentCluster{c} selection="{self.selection}" '
                         f'spill="{str(self.spill).lower()}">{members}</agentCluster>'}
        all_documents.update({k: v.replace("{c}", c) for k, v in documents.items()})
        objects = "".join(f'<object path="/{key.rsplit(".", 1)[0]}" kind="{key.rsplit(".", 1)[1]}" file="{key}.xml">{text}</object>'
                          for key, text in sorted(all_documents.items(), key=lambda i: i[0].rsplit(".", 1)))
        document = (f'<release xmlns="urn:horarium:release:1" author="test" created="{now()}" number="{number}">{objects}'
                    '</release>').encode()
        self.call(f"<ApplyRelease ><master>main</master><number>{number}</number><sha256>{hashlib.sha256(document).hexdigest()}</sha256>"
                  f"<document>{base64.b64encode(document).decode()}</document></ApplyRelease>", name)

    def add(self, orders, name, release=1, at=None, arguments=None):
        t = f'xmlns:t="{NS["t"]}"'
        extra = "".join(f"<t:argument name={quoteattr(k)}>{escape(v)}</t:argument>" for k, v in (arguments or {}).items())
        items = "".join(f"<order {t}><t:id>{i}</t:id><t:chain>{chain}</t:chain><t:release>{release}</t:release>"
                        f"<t:plannedAt>{at or now()}</t:plannedAt>{extra}</order>" for i, chain in orders)
        answer = self.call(f"<AcceptPlan ><master>main</master><id>plan-{time.time_ns()}</id>{items}</AcceptPlan>", name)
        return int(answer.findtext("agt:added", None, NS)), int(answer.findtext("agt:known", None, NS))

    def command(self, action, name, **fields):
        self.commands += 1
        t = f'xmlns:t="{NS["t"]}"'
        order = ["order", "chain", "agent", "node", "outcome", "startAt", "priority"]
        inner = "".join(f"<t:{k}>{escape(fields[k])}</t:{k}>" for k in order if k in fields)
        answer = self.call(f"<Command ><master>main</master><command {t}><t:id>{fields.get('id', f'c-{self.commands}')}</t:id>"
                           f"<t:action>{action}</t:action>{inner}<t:actor>anna</t:actor></command></Command>", name)
        result = answer.find("agt:result", NS)
        return result.findtext("t:outcome", "", NS), result.findtext("t:text", "", NS)

    def order(self, order, name):
        return self.call(f"<GetOrderState ><order>{order}</order></GetOrderState>", name).find("agt:state", NS)

    def state(self, order, name):
        return self.order(order, name).find("t:order", NS).findtext("t:state", "", NS)

    def events(self, name, after=0, wait_ms=0, limit=1000):
        answer = self.call(f"<GetEvents ><master>main</master><after>{after}</after><limit>{limit}</limit>"
                           f"<waitMs>{wait_ms}</waitMs></GetEvents>", name)
        return int(answer.findtext("agt:position", None, NS)), [e.attrib for e in answer.findall("agt:event", NS)]

    def wait_for(self, name, wanted, seconds=60, after=0):
        """Reads events until wanted(event) is true for one; all events that were read. Only long polls wait."""
        deadline = time.monotonic() + seconds
        seen = []
        while time.monotonic() < deadline:
            after, events = self.events(name, after, 5000)
            seen += events
            if any(wanted(e) for e in events):
                return seen
        raise TimeoutError(f"not seen within {seconds} s; last events: {[(e['type'], e.get('order')) for e in seen[-10:]]}")

    def wait_end(self, order, name, seconds=60):
        return self.wait_for(name, lambda e: e["type"] == "orderEnded" and e.get("order") == order, seconds)

    def read_log(self, task, name, offset=0, length=65536):
        answer = self.call(f"<ReadLog ><task>{task}</task><offset>{offset}</offset><length>{length}</length></ReadLog>", name)
        part = answer.find("agt:range", NS)
        return base64.b64decode(part.findtext("t:data", "", NS)).decode(), part.findtext("t:complete", "", NS)

    def leader(self, seconds=20):
        """The name of the member that says it leads."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for name in self.processes:
                try:
                    member = self.call("<Ping/>", name).find("agt:member", NS)
                except (OSError, Fault):
                    continue
                if member.findtext("t:role", "", NS) == "leader":
                    return name
        raise TimeoutError("nobody leads")
