#!/usr/bin/python3
"""Checks WSDL files and their schemas against what WS-I Basic Profile 1.1 asks for, and against our own rules.

    wsdl_profile.py SOURCE_DIR     prints TAP

The numbers are the profile's requirements. Every message part names an element, every operation has the same faults in
its binding as in its port type, names are unique, everything is documented, and every element that a part names is there.
"""
import os
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from tap import main, ok  # noqa: E402

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = {"soap": "{http://schemas.xmlsoap.org/wsdl/soap/}", "soap12": "{http://schemas.xmlsoap.org/wsdl/soap12/}"}
XSD = "{http://www.w3.org/2001/XMLSchema}"
SERVICES = ("supervisor", "master", "agent")


def parse(path):
    """The root and the prefixes; Horarium's WSDL files declare all of them on the root."""
    prefixes = {}
    for event, item in ElementTree.iterparse(path, ["start-ns"]):
        prefixes[item[0]] = item[1]
    return ElementTree.parse(path).getroot(), prefixes


def resolve(name, prefixes):
    prefix, colon, local = name.partition(":")
    return (prefixes.get(prefix), local) if colon else (prefixes.get(""), prefix)


def unique(items, name):
    names = [item.get("name") for item in items]
    ok(len(names) == len(set(names)), f"{name} names are unique", sorted(n for n in names if names.count(n) > 1))


def check_service(source, name):
    path = os.path.join(source, "wsdl", name + ".wsdl")
    with open(path, "rb") as f:
        head = f.read(200)
    root, prefixes = parse(path)
    target = root.get("targetNamespace")
    ok(head.startswith(b"<?xml") and b'encoding="UTF-8"' in head, f"{name}: XML 1.0 in UTF-8 (R4003)")
    ok(target == f"urn:horarium:{name}:1", f"{name}: the namespace has the version")

    # types: schemas are imported by xsd:import inside of a schema that holds nothing else (R2002, R2003, R2105)
    elements = set()
    for schema in root.iterfind(f"{WSDL}types/{XSD}schema"):
        ok(all(child.tag == XSD + "import" for child in schema) or schema.get("targetNamespace"),
           f"{name}: a schema without a namespace only imports (R2105)")
        for link in schema.iterfind(XSD + "import"):
            file = os.path.normpath(os.path.join(os.path.dirname(path), link.get("schemaLocation")))
            imported = ElementTree.parse(file).getroot()
            ok(imported.get("targetNamespace") == link.get("namespace"), f"{name}: imports what it says (R2005)")
            ok(imported.get("elementFormDefault") == "qualified", f"{name}: qualified elements")
            elements |= {(link.get("namespace"), e.get("name")) for e in imported.iterfind(XSD + "element")}
            for bad in ("SOAP-ENC:Array", "soapenc:Array", "arrayType"):
                with open(file, encoding="utf-8") as f:
                    ok(bad not in f.read(), f"{name}: no {bad} (R2110, R2111)")
    ok(root.find(WSDL + "import") is None, f"{name}: WSDL imports nothing (R2001)")

    messages = {m.get("name"): m for m in root.iterfind(WSDL + "message")}
    unique(list(root.iterfind(WSDL + "message")), f"{name}: message")
    parts = [(m, p) for m in messages.values() for p in m.iterfind(WSDL + "part")]
    ok(all(len(m.findall(WSDL + "part")) == 1 for m in messages.values()), f"{name}: one part a message (R2210)")
    ok(all(p.get("element") and not p.get("type") for m, p in parts), f"{name}: parts name elements (R2204)")
    unknown = [p.get("element") for m, p in parts if resolve(p.get("element"), prefixes) not in elements]
    ok(not unknown, f"{name}: the elements exist (R2206)", unknown)

    operations = {}  # port type -> operation -> faults
    for port_type in root.iterfind(WSDL + "portType"):
        unique(list(port_type.iterfind(WSDL + "operation")), f"{name}: {port_type.get('name')}: operation (R2304)")
        ok(port_type.find(WSDL + "documentation") is not None, f"{name}: {port_type.get('name')} is documented")
        found = operations.setdefault(port_type.get("name"), {})
        for operation in port_type.iterfind(WSDL + "operation"):
            op = operation.get("name")
            shape = [child.tag.replace(WSDL, "") for child in operation if child.tag != WSDL + "documentation"]
            named = [resolve(c.get("message"), prefixes)[1] for c in operation if c.get("message")]
            found[op] = [f.get("name") for f in operation.iterfind(WSDL + "fault")]
            wrapped = [messages[m].find(WSDL + "part").get("element") for m in named[:2] if m in messages]
            good = (shape[:2] == ["input", "output"] and set(shape[2:]) <= {"fault"} and all(m in messages for m in named)
                    and [w.split(":")[1] for w in wrapped] == [op, op + "Response"]
                    and operation.findtext(WSDL + "documentation"))
            if not good or "NotAuthenticated" not in found[op] or "Internal" not in found[op]:
                ok(False, f"{name}: {op}: request-response, wrapped, documented, with faults (R2303)", shape, named, wrapped)
    ok(True, f"{name}: {sum(map(len, operations.values()))} operations are wrapped, documented, with faults (R2303)")
    declared = {e for ns, e in elements if ns == target}
    used = {op for ops in operations.values() for op in ops} | {op + "Response" for ops in operations.values() for op in ops}
    ok(declared == used, f"{name}: the schema's elements are the operations' messages", sorted(declared ^ used))

    wires = {}
    for binding in root.iterfind(WSDL + "binding"):
        kind = "soap12" if binding.find(SOAP["soap12"] + "binding") is not None else "soap"
        wire, ns = binding.find(SOAP[kind] + "binding"), SOAP[kind]
        port_type = resolve(binding.get("type"), prefixes)[1]
        label = f"{name}: {binding.get('name')}"
        good = (wire is not None and wire.get("transport") == "http://schemas.xmlsoap.org/soap/http"
                and wire.get("style") == "document")
        ok(good, f"{label}: SOAP over HTTP, document (R2701, R2702, R2705)")
        bound = {}
        for operation in binding.iterfind(WSDL + "operation"):
            op = operation.get("name")
            bound[op] = [f.get("name") for f in operation.iterfind(WSDL + "fault")]
            bodies = operation.findall(f"{WSDL}input/{ns}body") + operation.findall(f"{WSDL}output/{ns}body")
            faults = operation.findall(f"{WSDL}fault/{ns}fault")
            literal = all(b.get("use") == "literal" and not b.get("namespace") for b in bodies + faults)
            same = [f.get("name") for f in faults] == bound[op]
            action = operation.find(ns + "operation")
            if not (literal and same and len(bodies) == 2 and action is not None and action.get("soapAction")):
                ok(False, f"{label}: {op}: literal, faults named, with a soapAction (R2706, R2716, R2721, R2754)")
        ok(bound == operations[port_type], f"{label}: the operations and faults of {port_type} (R2718)")
        wires.setdefault(kind, set()).add(port_type)
    ok(wires.get("soap") == set(operations) and wires.get("soap12") == set(operations),
       f"{name}: every port type over SOAP 1.1 and 1.2")

    services = root.findall(WSDL + "service")
    ok(len(services) == 1, f"{name}: one service")
    ports = services[0].findall(WSDL + "port")
    unique(ports, f"{name}: port")
    bindings = {b.get("name") for b in root.iterfind(WSDL + "binding")}
    ok({resolve(p.get("binding"), prefixes)[1] for p in ports} == bindings, f"{name}: every binding has a port")
    ok(all(any(child.tag in (SOAP["soap"] + "address", SOAP["soap12"] + "address") for child in p) for p in ports),
       f"{name}: every port has an address (R2711)")
    order = [child.tag.replace(WSDL, "") for child in root]
    ranks = [["documentation", "types", "message", "portType", "binding", "service"].index(tag) for tag in order]
    ok(ranks.index(1) < ranks.index(2) and ranks[:2] == [0, 1], f"{name}: types come before the rest (R2023)")


def check(source):
    for name in SERVICES:
        check_service(source, name)


if __name__ == "__main__":
    main(check, sys.argv[1] if len(sys.argv) > 1 else os.environ.get("HOR_SRCDIR", "."))
