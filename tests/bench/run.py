#!/usr/bin/python3
"""make bench: what Horarium costs, as ratios against bare costs measured in the same run on the same machine.

Prints one table with the machine, writes bench.xml and bench.svg. Fails nothing: bars are goals that the table shows.
ORDERS (1000), STEPS (100), JOBS (100000), SCHEDULES (20000), IDLE (2000) change the sizes."""
import os
import re
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from trial import BUILD, NS, Trial  # noqa: E402

ORDERS = int(os.environ.get("ORDERS", 1000))
STEPS = int(os.environ.get("STEPS", 100))
JOBS = int(os.environ.get("JOBS", 100000))
SCHEDULES = int(os.environ.get("SCHEDULES", 20000))
IDLE = int(os.environ.get("IDLE", 2000))
TICK = os.sysconf("SC_CLK_TCK")
rows = []

TRUE = '<job xmlns="urn:horarium:configuration:1"><command program="/bin/true"/></job>\n'
ONE = """<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local" overlap="allow"><node id="n" job="true"/></jobChain>
"""


def row(what, measured, against, ratio, bar, good):
    rows.append((what, measured, against, ratio, bar, good))
    print(f"  {what}: {measured}; against {against}; {ratio} (bar {bar})", flush=True)


def bare(*arguments):
    out = subprocess.run([os.path.join(BUILD, "tests/bench/bare"), *map(str, arguments)], check=True, capture_output=True, text=True).stdout
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", out)}


def process_ids(trial):
    return {**{name: p.pid for name, p in trial.processes.items()}, **{"runner": pid for pid in trial.runner_pids()}}


def cpu_seconds(pids):
    """CPU that each process used itself, its children left out."""
    used = {}
    for name, pid in pids.items():
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        used[name] = (int(fields[11]) + int(fields[12])) / TICK
    return used


def status(pid, name):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(rf"^{name}:\s+(\d+)", f.read(), re.M).group(1))


def times(trial, chain, since_us=0):
    return trial.sql("SELECT order_id, node, started_us, ended_us FROM task_run WHERE chain = ? AND ended_us IS NOT NULL AND assigned_us >= ?",
                     chain, since_us)


def order_count(trial, chain, planned_us, ended):
    return trial.sql("SELECT COUNT(*) FROM order_run WHERE chain = ? AND planned_us >= ?" + (" AND ended_us IS NOT NULL" if ended else ""),
                     chain, planned_us)[0][0]


def as_seconds(value):
    """Database times are UTC microseconds."""
    return value / 1e6


def wait_for_rows(condition, seconds):
    """Looks into the database file: asking the Supervisor for its events would be counted as its work per task."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {seconds} s")
        time.sleep(0.1)


def throughput(trial, count):
    due = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=8 + count / 100)
    before_pids = process_ids(trial)
    trial.run("order", "add", "/bench/one", "--quiet", "--count", count, "--at", due.strftime("%Y-%m-%dT%H:%M:%SZ"), timeout=600)
    late = datetime.now(timezone.utc) - due
    if late.total_seconds() > 0:
        print(f"  (adding took {late.total_seconds():.1f} s longer than planned: the figure is too good or too bad)")
    due_us = int(due.replace(microsecond=0).timestamp() * 1e6)
    wait_for_rows(lambda: order_count(trial, "/bench/one", due_us, False) >= count, 120)
    before = cpu_seconds(before_pids)
    wait_for_rows(lambda: order_count(trial, "/bench/one", due_us, True) >= count, 60 + count / 20)
    stored = time.time() - due_us / 1e6
    used = {name: seconds - before[name] for name, seconds in cpu_seconds(process_ids(trial)).items()}
    data = times(trial, "/bench/one", due_us)
    seconds = max(as_seconds(r[3]) for r in data) - due_us / 1e6
    reference = bare("start", min(count, 1000), "/bin/true")
    rate, bare_rate = len(data) / seconds, reference["count"] / reference["seconds"]
    row(f"throughput, one agent, {len(data)} tasks, journal synced, rows written", f"{rate:.0f} tasks/s ({stored:.1f} s until the last row)",
        f"bare loop {bare_rate:.0f}/s", f"{rate / bare_rate:.2f}", "0.80", rate / bare_rate >= 0.8)
    each, bare_each = sum(used.values()) / len(data), reference["cpu"] / reference["count"]
    shares = ", ".join(f"{name} {value / len(data) * 1e3:.2f}" for name, value in sorted(used.items()))
    row("CPU of all Horarium processes per task", f"{each * 1e3:.2f} ms ({shares})", f"bare start {bare_each * 1e3:.2f} ms", f"{each / bare_each:.2f}", "0.5",
        each / bare_each <= 0.5)
    first = min(as_seconds(r[2]) for r in data)
    row("first start after the due time of all", f"{(first - due_us / 1e6) * 1e3:.1f} ms", "-", "-", "-", True)


def step_lag(trial, steps):
    order = trial.add("/bench/steps")
    trial.wait_state(order, "succeeded", seconds=300)
    data = sorted((int(r[1][1:]), as_seconds(r[2]), as_seconds(r[3])) for r in times(trial, "/bench/steps"))
    lags = [data[i + 1][1] - data[i][2] for i in range(len(data) - 1)]
    reference = bare("sync", 300, 400, trial.path("sync-test"))
    median = statistics.median(lags) * 1e3
    row(f"lag between steps of a chain, {steps} steps", f"median {median:.2f} ms, worst {max(lags) * 1e3:.1f} ms",
        f"fdatasync {reference['median_ms']:.2f} ms", f"{median / reference['median_ms']:.1f}", "3.0", median <= 3 * reference["median_ms"])


def idle_start(trial):
    lags = []
    for _ in range(20):
        due = datetime.now(timezone.utc) + timedelta(seconds=1)
        order = trial.add("/bench/one", "--at", due.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        trial.wait_state(order, "succeeded")
        started = trial.sql("SELECT started_us FROM task_run WHERE order_id = ?", order)[0][0]
        lags.append((as_seconds(started) - due.timestamp()) * 1e3)
    row("lateness of a due order, idle system", f"median {statistics.median(lags):.1f} ms, worst {max(lags):.1f} ms", "-", "-", "5 ms",
        statistics.median(lags) <= 5)


def memory(trial):
    bars = {"a1": 20, "m1": 64, "runner": 3}
    for name, pid in sorted(process_ids(trial).items()):
        mb = status(pid, "VmRSS") / 1024
        bar = bars.get(name)
        row(f"resident memory of {name} after the runs", f"{mb:.1f} MB", "-", "-", f"{bar} MB" if bar else "-", bar is None or mb <= bar)


def idle_connections(trial, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 500), hard))
    context = ssl.create_default_context(cafile=trial.path("certificates", "ca.crt"))
    pid = trial.processes["supervisor"].pid
    before = status(pid, "VmRSS")
    kept, alive = [], 0
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try:
        for _ in range(count):
            raw = socket.create_connection(("127.0.0.1", trial.port("supervisor")), timeout=20)
            kept.append(context.wrap_socket(raw, server_hostname="localhost"))
            kept[-1].sendall(request)
            kept[-1].recv(4096)
        threads, rss = status(pid, "Threads"), status(pid, "VmRSS")
        for connection in kept:
            try:
                connection.sendall(request)
                alive += b"200" in connection.recv(4096)
            except OSError:
                pass
    finally:
        for connection in kept:
            connection.close()
    row(f"{count} idle TLS connections", f"{alive} alive, {threads} threads, {(rss - before) / count:.1f} KB each", "-", "-",
        "no thread each", alive == count and threads < 50)


def configuration(jobs):
    program = os.path.join(BUILD, "tests/bench/config_load")
    if not os.path.exists(program):
        return
    out = subprocess.run([program, str(jobs)], check=True, stdout=subprocess.PIPE, text=True).stdout
    figure = {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", out)}
    ratio = figure["bare_s"] / figure["load_s"]
    row(f"configuration of {jobs} jobs: read, XSD, cross-checks", f"{figure['load_s']:.2f} s, {figure['rss_mb']:.0f} MB",
        f"bare SAX {figure['bare_s']:.2f} s", f"{ratio:.2f}", "0.30", ratio >= 0.3)


def plan(schedules, jobs):
    program = os.path.join(BUILD, "tests/bench/plan")
    if not os.path.exists(program):
        return
    out = subprocess.run([program, str(schedules), str(jobs)], check=True, stdout=subprocess.PIPE, text=True).stdout
    tenth, whole = [{k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", line)} for line in out.splitlines()]
    growth = whole["plan_s"] / (10 * tenth["plan_s"])
    row(f"plan of {whole['orders']:.0f} orders from {schedules} schedules, made", f"{whole['plan_s']:.2f} s, {whole['rss_mb']:.0f} MB",
        f"bare ids {whole['bare_s']:.2f} s", f"{whole['plan_s'] / whole['bare_s']:.1f}", "5 s, 300 MB", whole["plan_s"] <= 5 and whole["rss_mb"] <= 300)
    row("its growth against a tenth of them", f"{growth:.2f} of linear", f"{tenth['plan_s']:.3f} s", f"{growth:.2f}", "linear", growth <= 1.5)
    row(f"configuration of {jobs} jobs and {schedules} schedules", f"{whole['load_s']:.2f} s, {whole['loaded_mb']:.0f} MB", "-", "-", "-", True)


def write(machine):
    root = ElementTree.Element("bench", machine=machine, at=datetime.now(timezone.utc).isoformat(timespec="seconds"))
    for what, measured, against, ratio, bar, good in rows:
        ElementTree.SubElement(root, "row", what=what, measured=measured, against=against, ratio=str(ratio), bar=bar, reached=str(good).lower())
    ElementTree.ElementTree(root).write("bench.xml", encoding="utf-8", xml_declaration=True)
    height = 30 + 22 * len(rows)
    with open("bench.svg", "w") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="{height}" font-family="sans-serif" font-size="13">\n')
        f.write(f'<text x="10" y="18" font-weight="bold">{machine}</text>\n')
        for i, (what, measured, _, ratio, bar, good) in enumerate(rows):
            y = 40 + 22 * i
            colour = "#0a7d38" if good else "#b3261e"
            text = f"{what}: {measured}" + (f" ({ratio}, bar {bar})" if ratio != "-" else "")
            text = text.replace("&", "&amp;").replace("<", "&lt;")
            f.write(f'<circle cx="16" cy="{y - 4}" r="5" fill="{colour}"/><text x="30" y="{y}">{text}</text>\n')
        f.write("</svg>\n")


def main():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    machine = f"{os.cpu_count()} x {model.group(1) if model else 'processor'}, Linux {os.uname().release}"
    print(machine)
    with Trial() as trial:
        trial.write("bench/true.job.xml", TRUE)
        trial.write("bench/one.chain.xml", ONE)
        nodes = "".join(f'<node id="s{i:04d}" job="true"/>' for i in range(STEPS))
        trial.write("bench/steps.chain.xml", f'<jobChain xmlns="urn:horarium:configuration:1" agentCluster="/clusters/local">{nodes}</jobChain>\n')
        trial.start()
        trial.deploy()
        memory(trial)
        idle_start(trial)
        step_lag(trial, STEPS)
        throughput(trial, ORDERS)
        memory(trial)
        idle_connections(trial, IDLE)
    configuration(JOBS)
    plan(SCHEDULES, JOBS)
    write(machine)
    print()
    print(f"{'what':75} {'measured':50} {'ratio':>6} {'bar':>14}")
    for what, measured, against, ratio, bar, good in rows:
        print(f"{what:75} {measured:50} {ratio:>6} {bar:>14} {'reached' if good else 'NOT reached'}")


main()
