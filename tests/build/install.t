#!/usr/bin/python3
"""`make install` into an empty folder, and `make uninstall` out of it."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.environ.get("HOR_SRCDIR", "."))
BUILD = os.path.abspath(os.environ.get("HOR_BUILDDIR", "."))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from tap import main, ok  # noqa: E402

PROGRAMS = ["bin/horarium", "sbin/horarium-agent", "sbin/horarium-master", "sbin/horarium-supervisor", "libexec/horarium/horarium-runner"]


def files(top):
    return {os.path.relpath(os.path.join(folder, name), top) for folder, _, names in os.walk(top) for name in names}


def make(target, folder):
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-C", BUILD, target, f"DESTDIR={folder}", "prefix=/usr"], capture_output=True, text=True,
                          env=environment, timeout=600)
    return ok(done.returncode == 0, f"make {target}", done.stdout[-2000:], done.stderr[-2000:])


def test():
    folder = tempfile.mkdtemp(prefix="horarium-install-", dir=os.environ.get("TMPDIR"))
    try:
        if not make("install", folder):
            return
        there = files(os.path.join(folder, "usr"))
        for program in PROGRAMS:
            ok(os.access(os.path.join(folder, "usr", program), os.X_OK), f"{program} is there and can be run")
        ok(os.access(os.path.join(folder, "usr/share/horarium/examples/trial/trial"), os.X_OK), "so is the trial")
        wanted = {os.path.join("share/horarium", top, f) for top in ("xsd", "wsdl", "xslt-gui", "examples/configuration", "examples/data")
                  for f in files(os.path.join(ROOT, top)) if not f.endswith((".am", ".md"))}
        ok(len(wanted) > 50 and wanted <= there, f"{len(wanted)} files that the programs read are there", *sorted(wanted - there))
        ok({f"share/man/man8/horarium-{p}.8" for p in ("agent", "master", "runner", "supervisor")} < there, "manual pages, too")
        outside = sorted(f for f in files(folder) if not f.startswith("usr/"))
        ok(not outside, "nothing is put elsewhere", *outside)
        make("uninstall", folder)
        left = [os.path.join(f, n) for f, folders, names in os.walk(folder) for n in folders + names
                if n in names or "horarium" in n]
        ok(not left, "nothing of it is left", *left)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main(test)
