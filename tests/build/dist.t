#!/usr/bin/python3
"""The archive that `make dist` makes holds every file of the project, and making it starts nothing else."""
import os
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.environ.get("HOR_SRCDIR", "."))
BUILD = os.path.abspath(os.environ.get("HOR_BUILDDIR", "."))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from tap import main, ok, skip_all  # noqa: E402

FOR_THE_REPOSITORY = (".ci/", ".gitignore")
FOLDER = "dist-test"


def test():
    known = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-z"], capture_output=True,
                           text=True, check=True, timeout=60).stdout
    # git also knows what was removed and not yet committed
    wanted = {f for f in known.split("\0") if f and not f.startswith(FOR_THE_REPOSITORY) and os.path.exists(os.path.join(ROOT, f))}
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    try:
        done = subprocess.run(["make", "-C", BUILD, "distdir", f"distdir={FOLDER}"], capture_output=True, text=True, env=environment,
                              timeout=300)
        if not ok(done.returncode == 0, "the archive's folder is made", done.stdout[-2000:], done.stderr[-2000:]):
            return
        ok("PASS" not in done.stdout and "  CC" not in done.stdout, "nothing is compiled or tested for it", done.stdout[-2000:])
        packed = {os.path.relpath(os.path.join(folder, name), os.path.join(BUILD, FOLDER))
                  for folder, _, names in os.walk(os.path.join(BUILD, FOLDER)) for name in names}
        ok(len(wanted) > 500, f"{len(wanted)} files belong to it")
        ok(wanted <= packed, "each of them is in it", *sorted(wanted - packed))
        ok("configure" in packed and "Makefile.in" in packed, "so is what autoconf makes")
        ok(os.access(os.path.join(BUILD, FOLDER, "check"), os.X_OK), "check can be run")
    finally:
        shutil.rmtree(os.path.join(BUILD, FOLDER), ignore_errors=True)


if not os.path.exists(os.path.join(ROOT, ".git")):
    skip_all("only a checkout tells which files there should be")
main(test)
