#!/usr/bin/python3
"""What a Master may still do after it was deposed (nothing), who may call whom, and coupling with a cluster that was away or
lost its history: commands wait, are seen and revoked, and a person decides to couple anew."""
import os
import shutil
import signal
import ssl
import sys

import http.client
sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from agents import NS as AGT_NS, Agents, Fault, now  # noqa: E402
from tap import contains, equal, main, ok  # noqa: E402
from trial import NS, Trial  # noqa: E402

NOOP = {"note.job": "<job{c}><script>exit 0</script></job>",
        "work.chain": '<jobChain{c} agentCluster="/clusters/etl" overlap="allow"><node id="one" job="/note"/></jobChain>'}


def refused(function, code, name):
    try:
        got = function()
        ok(False, name, f"it was not refused: {got!r}")
    except Fault as fault:
        equal(fault.code, code, name)


def couple(agents, member, fence, certificate="m1"):
    return agents.call(f"<Couple ><master>main</master><afterEvent>0</afterEvent><fence>{fence}</fence></Couple>", member, certificate)


def plan(agents, member, order, fence=None):
    t = f'xmlns:t="{AGT_NS["t"]}"'
    tail = "" if fence is None else f"<fence>{fence}</fence>"
    answer = agents.call(f"<AcceptPlan ><master>main</master><id>p-{order}-{fence}</id><order {t}><t:id>{order}</t:id><t:chain>/work</t:chain>"
                         f"<t:release>1</t:release><t:plannedAt>{now(3600)}</t:plannedAt></order>{tail}</AcceptPlan>", member)
    return int(answer.findtext("agt:added", None, AGT_NS))


def command(agents, member, number, order, fence):
    t = f'xmlns:t="{AGT_NS["t"]}"'
    answer = agents.call(f"<Command ><master>main</master><command {t}><t:id>c-{number}</t:id><t:action>cancel</t:action><t:order>{order}</t:order>"
                         f"<t:actor>anna</t:actor></command><fence>{fence}</fence></Command>", member)
    return answer.find("agt:result", AGT_NS).findtext("t:outcome", "", AGT_NS)


def fences():
    names = ["a1", "a2", "a3"]
    with Agents(names) as agents:
        for name in names:
            agents.start(name)
        leader = agents.leader()
        follower = next(n for n in names if n != leader)
        agents.release(1, NOOP, follower)
        equal(plan(agents, follower, "before"), 1, "a Master that never coupled with a number needs none")
        old, new = 5 << 24 | 1, 6 << 24 | 1
        equal(couple(agents, follower, old).findtext("agt:state", "", AGT_NS), "coupled", "a Master couples with a number")
        equal(plan(agents, follower, "o1", old), 1, "and hands over orders with it")
        held = [e.text for e in couple(agents, follower, new).findall("agt:order", AGT_NS)]
        equal(sorted(held), ["before", "o1"], "its successor hears what was handed over, at any member")
        for member in (follower, leader):
            refused(lambda m=member: plan(agents, m, "o2", old), "NotActive", "the deposed one hands over nothing more")
            refused(lambda m=member: command(agents, m, 1, "o1", old), "NotActive", "nor does it command")
            refused(lambda m=member: couple(agents, m, old), "NotActive", "nor couple again")
            refused(lambda m=member: agents.call(f"<AcknowledgeEvents ><master>main</master><runId>x</runId><upTo>1</upTo><fence>{old}</fence>"
                                                 "</AcknowledgeEvents>", m), "NotActive", "nor acknowledge")
        refused(lambda: plan(agents, leader, "o3"), "NotActive", "a call without a number is an older one, too")
        refused(lambda: plan(agents, leader, "o3", new + 1), "NotActive", "and a number that did not couple is refused")
        equal(agents.state("o1", leader), "waitingForTime", "nothing has changed")
        equal(plan(agents, leader, "o2", new), 1, "the active one goes on")
        equal(command(agents, follower, 2, "o1", new), "done", "and commands")

        agents.stop(leader, signal.SIGKILL)
        second = agents.leader()
        refused(lambda: plan(agents, second, "o4", old), "NotActive", "the next leader of the agents refuses the deposed one as well")
        equal(plan(agents, second, "o4", new), 1, "and serves the active one")
        for name in names:
            agents.stop(name, signal.SIGKILL)
        for name in names:
            agents.start(name)
        third = agents.leader()
        refused(lambda: plan(agents, third, "o5", old), "NotActive", "and so do all after a restart from their recovery files")
        refused(lambda: couple(agents, third, new, "stranger"), "NotAuthenticated", "a certificate that no settings name is refused")
        refused(lambda: agents.call("<SubmitEvents ><from>a1</from></SubmitEvents>", third), "NotAuthorized",
                "a Master does not speak as a member of the agents")


def call(trial, program, body, certificate):
    """The fault's code, or the name of the answer's element."""
    context = ssl.create_default_context(cafile=trial.path("certificates", "ca.crt"))
    if certificate:
        context.load_cert_chain(*(trial.path("certificates", f"{certificate}.{end}") for end in ("crt", "key")))
    connection = http.client.HTTPSConnection("127.0.0.1", trial.port(program), context=context, timeout=20)
    try:
        kind = {"m": "master", "a": "agent"}[program[0]]
        connection.request("POST", f"/soap/{kind}", ('<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>' + body +
                                                     "</S:Body></S:Envelope>").encode(), {"Content-Type": "text/xml; charset=utf-8"})
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    for code in ("NotAuthenticated", "NotAuthorized", "NotActive", "InvalidRequest"):
        if f"<t:code>{code}</t:code>" in text or f":{code}>" in text or f"<{code} " in text or f"<{code}>" in text:
            return code
    return "answer" if "Response" in text else text


def callers(trial):
    state = '<GetState xmlns="urn:horarium:master:1"/>'
    equal(call(trial, "m1", state, "supervisor"), "answer", "the Supervisor asks a Master")
    for name in ("a1", "m1"):
        ok(call(trial, "m1", state, name) in ("NotAuthorized", "NotAuthenticated"), f"{name} does not, though one authority signed both",
           call(trial, "m1", state, name))
    equal(call(trial, "m1", state, None), "NotAuthenticated", "nor does anybody without a certificate")
    add = '<AddOrder xmlns="urn:horarium:master:1"><requestId>x</requestId><chain>/demo/hello</chain></AddOrder>'
    ok(call(trial, "m1", add, "a1") in ("NotAuthorized", "NotAuthenticated"), "an agent adds no order")
    ping = '<Ping xmlns="urn:horarium:agent:1"/>'
    equal(call(trial, "a1", ping, "supervisor"), "NotAuthenticated", "the Supervisor does not pass by the Masters")


def cluster(trial):
    for c in trial.xml("status").findall("sup:cluster", NS):
        return {e.tag.split("}")[1]: e.text for e in c}
    return {}


def away(trial):
    """Commands for a cluster that is away."""
    later = "2099-01-01T00:00:00Z"
    orders = [trial.add("/demo/hello", "--at", later) for _ in range(2)]
    trial.wait_for(lambda: all(trial.order(o).findtext("sup:order/t:where", "", NS) == "agents" for o in orders))
    trial.kill("a1")
    trial.wait_for(lambda: cluster(trial).get("state") == "uncoupled", seconds=60)
    seen = cluster(trial)
    ok(seen.get("lastSeen") and seen.get("cause"), "an agent cluster that is away is shown as it was, with its age and the cause", seen)
    for order in orders:
        contains(trial.run("order", "cancel", order, "--reason", "test")[1], "waiting", "a command waits")
    listed = trial.run("command", "list", "--quiet")[1].split()
    equal(len(listed), 2, "both are listed")
    trial.wait_for(lambda: cluster(trial).get("waitingCommands") == "2", seconds=30)
    ok(True, "and counted")
    table = trial.run("command", "list")[1]
    first = next(c for c in listed if any(c in row and orders[0] in row for row in table.splitlines()))
    contains(trial.run("command", "revoke", first, "--reason", "changed my mind")[1], "done", "one is taken back")
    equal(len(trial.run("command", "list", "--quiet")[1].split()), 1, "it waits no more")
    code, out, err = trial.run("command", "revoke", first, check=False)
    ok(code == 5, "it cannot be taken back twice", out, err)
    trial.start("a1")
    trial.wait_state(orders[1], "cancelled")
    equal(trial.state(orders[0]), "waitingForTime", "after coupling the other one is carried out, and only that")
    equal(trial.run("command", "list", "--quiet")[1].split(), [], "nothing waits any more")
    return orders[0]


def anew(trial, order):
    """The cluster comes back without its journal."""
    code, out, _ = trial.run("cluster", "recouple", "/clusters/local", "--reason", "why not", check=False)
    ok(code == 5 and "refused" in out, "a cluster that is coupled is not coupled anew", code, out)
    trial.kill("a1")
    shutil.rmtree(trial.path("data", "a1", "journal"))
    trial.start("a1")
    trial.wait_for(lambda: cluster(trial).get("state") == "unknownPartner", seconds=60)
    contains(cluster(trial).get("cause"), "recouple", "a cluster that began anew is a state of its own, and says the way out")
    contains(trial.run("cluster", "recouple", "/clusters/local", "--reason", "disk lost")[1], "done", "a person decides to couple anew")
    trial.wait_for(lambda: cluster(trial).get("state") == "coupled", seconds=60)
    trial.wait_for(lambda: trial.order(order).findtext("sup:order/t:where", "", NS) == "agents")
    equal(trial.state(order), "waitingForTime", "an order that had not started is there again")
    done = trial.add("/demo/hello")
    trial.wait_state(done, "succeeded")
    ok(True, "and new ones run")


def test():
    fences()
    with Trial() as trial:
        trial.start()
        trial.deploy()
        callers(trial)
        order = away(trial)
        anew(trial, order)


main(test)
