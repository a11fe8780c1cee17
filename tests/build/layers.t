#!/usr/bin/python3
"""Who may know whom (docs/architecture.md): includes start at the top, so that the arrows can be checked."""
import os
import re
import sys

ROOT = os.environ.get("HOR_SRCDIR", ".")
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from tap import main, ok  # noqa: E402

# part: parts that it may include besides itself (longest prefix counts)
MAY = {
    "lib/base": [],
    "lib/model": ["lib/base"],
    "lib/raft": ["lib/base"],
    "lib/loop": ["lib/base"],
    "lib/xml": ["lib/base"],
    "lib/config": ["lib/base", "lib/model", "lib/xml"],
    "lib/program": ["lib/base", "lib/config", "lib/loop"],
    "lib/journal": ["lib/base", "lib/model", "lib/xml", "lib/loop", "lib/raft"],
    "lib/http": ["lib/base", "lib/loop"],
    "lib/soap": ["lib/base", "lib/model", "lib/http", "lib/loop", "lib/xml", "lib/config"],
    "lib/cluster": ["lib/base", "lib/model", "lib/raft", "lib/journal", "lib/soap", "lib/loop", "lib/xml"],
    "agent/runner": ["lib/base"],
    "agent": ["lib"],
    "server": ["lib"],
}
# A header of an outside library: the only folder that may include it.
ONLY = {
    r"raft\.h": "lib/raft", r"libxml/.*": "lib/xml", r"libxslt/.*": "lib/xml", r"libexslt/.*": "lib/xml", r"libical/.*": "lib/model",
    r"event2/.*": ("lib/http", "lib/loop"), r"curl/.*": "lib/http", r"stdsoap2\.h": "lib/soap", r"sql(ext)?\.h": "server/supervisor/history",
    r"ldap\.h": "server/supervisor/auth",
}
EXCEPTIONS = {("agent/agent.h", "agent/runner/client.h"), ("agent/agent.c", "agent/runner/client.h"),
              ("agent/runner/client.c", "lib/loop/loop.h"), ("agent/runner/client.h", "lib/loop/loop.h")}


def part_of(path):
    found = ""
    for part in MAY:
        if path.startswith(part + "/") and len(part) > len(found):
            found = part
    return found


def sources():
    for top in ("lib", "agent", "server"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def test():
    wrong, unknown, count = [], [], 0
    for path in sources():
        count += 1
        part = part_of(path)
        with open(os.path.join(ROOT, path)) as f:
            text = f.read()
        for quoted in re.findall(r'^#include "([^"]+)"', text, re.M):
            if "/" not in quoted or not os.path.exists(os.path.join(ROOT, quoted)):
                continue
            other = part_of(quoted)
            allowed = other == part or any(other == m or other.startswith(m + "/") for m in MAY.get(part, []))
            if not allowed and (path, quoted) not in EXCEPTIONS:
                wrong.append(f"{path} includes {quoted}")
        for angled in re.findall(r"^#include <([^>]+)>", text, re.M):
            for pattern, home in ONLY.items():
                homes = (home,) if isinstance(home, str) else home
                if re.fullmatch(pattern, angled) and not any(path.startswith(h + "/") for h in homes):
                    wrong.append(f"{path} includes <{angled}>, which belongs to {homes}")
    ok(count > 50, f"{count} sources were read")
    ok(not wrong, "nobody includes what it may not know", *wrong)
    listed = ""
    for fragment in ("lib/lib.am", "agent/agent.am", "server/server.am"):
        with open(os.path.join(ROOT, fragment)) as f:
            listed += f.read()
    unknown = [p for p in sources() if not re.search(rf"(^|\s){re.escape(p)}(\s|$)", listed)]
    ok(not unknown, "the build knows every source", *unknown)
    long = []
    for path in sources():
        with open(os.path.join(ROOT, path)) as f:
            lines = sum(1 for _ in f)
        if lines > 800:
            long.append(f"{path}: {lines}")
    ok(not long, "no file is so long that a second idea hides in it", *long)


main(test)
