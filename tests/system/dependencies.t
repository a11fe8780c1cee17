#!/usr/bin/python3
"""A chain that waits for an order of another agent cluster and for an external event, and lets one node run on that
cluster, while the Master and the agents are killed (-9) as it waits.

Questions and answers are durable on both sides: nothing is asked, answered or run twice, whoever was away."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import contains, diag, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

CONFIGURATION = "urn:horarium:configuration:1"


def split_clusters(trial):
    """Each agent becomes a cluster of its own: a1 /clusters/near, a2 /clusters/far."""
    for name, cluster in (("a1", "near"), ("a2", "far")):
        path = trial.path("settings", f"{name}.xml")
        with open(path) as f:
            lines = f.read().replace("/clusters/local", f"/clusters/{cluster}").splitlines()
        members = [line for line in lines if line.startswith("  <member ")]
        own = [line for line in members if f'name="{name}"' in line]
        with open(path, "w") as f:
            f.write("\n".join(line for line in lines if line not in members or line in own) + "\n")
        trial.write(f"clusters/{cluster}.agentCluster.xml",
                    f'<agentCluster xmlns="{CONFIGURATION}">{own[0].strip()}</agentCluster>')


def configure(trial):
    done = trial.path("done")
    job = f'<job xmlns="{CONFIGURATION}"><parameter name="text" default="none"/><script>'
    # Each run leaves a line, and waits at a gate when there is one.
    script = (f'echo "$HORARIUM_TASK $HORARIUM_AGENT $HORARIUM_PARAM_TEXT" >>"{done}"\n'
              'echo "said=$HORARIUM_PARAM_TEXT" >>"$HORARIUM_OUTPUT"\n'
              f'while [ -e "{trial.path("gate")}-$HORARIUM_NODE" ]; do sleep 0.05; done\n')
    trial.write("say.job.xml", f"{job}<![CDATA[{script}]]></script></job>")
    trial.write("far-load.chain.xml", f'<jobChain xmlns="{CONFIGURATION}" agentCluster="/clusters/far" maxOrders="5">'
                '<node id="load" job="say"/></jobChain>')
    trial.write("report.chain.xml", f'''<jobChain xmlns="{CONFIGURATION}" agentCluster="/clusters/near" maxOrders="5">
  <parameter name="region" default="emea"/>
  <node id="begin" job="say"/>
  <node id="wait" job="say"><requires>
    <history chain="far-load" outcome="success" within="PT1H"/><event name="trades-arrived" consume="true"/>
  </requires></node>
  <node id="remote" job="say" agentCluster="/clusters/far"><argument name="text">{{$region}}</argument></node>
  <node id="end" job="say"><argument name="text">{{$nodes/node[@id='remote']/output[@name='said']}}</argument></node>
</jobChain>'''.replace("{{", "{").replace("}}", "}"))
    trial.write("impatient.chain.xml", f'''<jobChain xmlns="{CONFIGURATION}" agentCluster="/clusters/near" maxOrders="5">
  <node id="wait" job="say"><requires><event name="never" timeout="PT1S" onTimeout="skip"/></requires></node>
  <node id="late" job="say"/>
</jobChain>''')


def lines(trial):
    try:
        with open(trial.path("done")) as f:
            return f.read().split("\n")[:-1]
    except FileNotFoundError:
        return []


def obstacles(trial, order):
    return [o.findtext("t:text", namespaces=NS) for o in trial.order(order).findall("sup:obstacle", NS)]


def node_state(trial, order, node):
    for n in trial.order(order).findall("sup:node", NS):
        if n.findtext("t:id", namespaces=NS) == node:
            return n.findtext("t:state", namespaces=NS)
    return None


def restart(trial, *names):
    diag(f"kill -9 {' '.join(names)}")
    trial.kill(*names)
    trial.start(*names)


def waits_through_everything(trial):
    order = trial.add("/report")
    why = trial.wait_for(lambda: [w for w in obstacles(trial, order) if "trades-arrived" in w])
    contains(why[0], "external event 'trades-arrived'", "why not running names the event")
    ok(any("/far-load" in w for w in obstacles(trial, order)), "and the other cluster's chain", obstacles(trial, order))
    restart(trial, "a1")
    restart(trial, "m1", "a2")
    trial.kill("m1")  # the agents ask nobody now
    restart(trial, "a1")
    trial.start("m1")
    load = trial.add("/far-load")
    equal(trial.wait_state(load), "succeeded", "the order of the other cluster ends")
    trial.wait_for(lambda: not any("/far-load" in w for w in obstacles(trial, order)))
    ok(any("trades-arrived" in w for w in obstacles(trial, order)), "one of two is not enough", obstacles(trial, order))
    restart(trial, "m1", "a1")
    ok(not any(line.startswith(f"{order}:wait") for line in lines(trial)), "the node has not run", lines(trial))

    # An agent that is away when the event comes hears of it afterwards.
    trial.kill("a1")
    code, out, _ = trial.run("event", "post", "trades-arrived", "--reason", "the file is there", "--request-id", "r1")
    contains(out, "done", "the event is posted while its cluster is away")
    restart(trial, "m1")
    trial.run("event", "post", "trades-arrived", "--request-id", "r1")
    open(trial.path("gate-remote"), "w").close()
    trial.start("a1")

    # The remote node runs on the other cluster, while the Master and both agents are killed.
    trial.wait_file(trial.path("done"), f"{order}.remote-1:remote:1 a2 emea")
    equal(node_state(trial, order, "remote"), "running", "people see the node running")
    child = f"{order}.remote-1"
    contains(" ".join(obstacles(trial, order)), "/clusters/far", "and where")
    restart(trial, "m1", "a1")
    restart(trial, "a2")
    trial.kill("m1")
    os.unlink(trial.path("gate-remote"))  # it ends while nobody can hear of it
    trial.start("m1")
    equal(trial.wait_state(order), "succeeded", "the order succeeds")
    equal(trial.wait_state(child), "succeeded", "its node was an order of the other cluster")
    mine = [line for line in lines(trial) if line.startswith(order)]
    equal(mine, [f"{order}:begin:1 a1 none", f"{order}:wait:1 a1 none", f"{child}:remote:1 a2 emea", f"{order}:end:1 a1 emea"],
          "every node ran once, where it should, and the last one saw what the remote one gave")
    return order


def consumed(trial):
    second = trial.add("/report")
    trial.wait_for(lambda: [w for w in obstacles(trial, second) if "trades-arrived" in w])
    ok(not any("/far-load" in w for w in obstacles(trial, second)) or
       trial.wait_for(lambda: not any("/far-load" in w for w in obstacles(trial, second))),
       "what was is found in the history")
    trial.run("event", "post", "trades-arrived", "--request-id", "r1")
    ok(any("trades-arrived" in w for w in obstacles(trial, second)), "a consumed event and its repeats count no second time")
    trial.run("order", "kill", second, "--reason", "test")
    equal(trial.wait_state(second), "cancelled", "an order that waits can be killed")
    third = trial.add("/report")
    open(trial.path("gate-remote"), "w").close()
    trial.kill("a2")
    trial.run("event", "post", "trades-arrived")
    why = trial.wait_for(lambda: [w for w in obstacles(trial, third) if "not handed over to /clusters/far" in w])
    ok(True, "while the other cluster is away, why not running says so", why)
    trial.start("a2")
    trial.wait_file(trial.path("done"), f"{third}.remote-1:remote:1")
    trial.run("order", "kill", third, "--reason", "test")
    equal(trial.wait_state(third), "cancelled", "an order whose node is away can be killed")
    equal(trial.wait_state(f"{third}.remote-1"), "cancelled", "and what ran there is killed too")
    os.unlink(trial.path("gate-remote"))


def timeout(trial):
    order = trial.add("/impatient")
    equal(trial.wait_state(order), "succeeded", "a node that waited long enough is skipped")
    equal(node_state(trial, order, "wait"), "skipped", "as its rule says")


def journals_tell(trial, order):
    for name, kind in (("a1", "dependencyRequested"), ("a1", "dependencyResolved"), ("m1", "dependencyResolved"), ("m1", "externalEvent")):
        text = trial.run("journal", "show", trial.path("data", name, "journal"))[1]
        ok(f"<{kind} " in text, f"{name}'s journal has {kind}")
    asked = trial.run("journal", "show", trial.path("data", "a1", "journal"))[1].count('<dependencyRequested ')
    ok(asked > 0, "questions stand in the agents' journal", asked)


def drained(trial):
    trial.run("agent", "drain", "a2", "--reason", "maintenance")
    load = trial.add("/far-load")
    trial.wait_for(lambda: [w for w in obstacles(trial, load) if "drained" in w])
    ok(True, "a drained agent takes no task, and why not running says so")
    code, out, _ = trial.run("agent", "drain", "a2", check=False)
    equal(code, 5, "draining twice is refused")
    trial.run("agent", "resume", "a2")
    equal(trial.wait_state(load), "succeeded", "resumed it takes tasks again")


def run():
    with Trial(agents=2, examples=False) as trial:
        split_clusters(trial)
        configure(trial)
        trial.start()
        trial.deploy()
        order = waits_through_everything(trial)
        consumed(trial)
        timeout(trial)
        drained(trial)
        journals_tell(trial, order)


main(run)
