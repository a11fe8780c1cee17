"""Test Anything Protocol for the tests that are written in Python."""
import subprocess
import sys
import traceback

_count = 0
_failed = 0


def ok(passed, name, *details):
    """One test; details are printed when it failed. Returns whether it passed."""
    global _count, _failed
    _count += 1
    print(f"{'ok' if passed else 'not ok'} {_count} - {name}".replace("#", r"\#"), flush=True)
    if not passed:
        _failed += 1
        for detail in details:
            diag(detail)
    return bool(passed)


def equal(got, wanted, name):
    return ok(got == wanted, name, f"got    {got!r}", f"wanted {wanted!r}")


def contains(text, part, name):
    return ok(part in (text or ""), name, f"no {part!r} in", text)


def diag(text):
    for line in str(text).splitlines() or [""]:
        print(f"# {line}", flush=True)


def relay(name, command):
    """Runs another TAP program: each of its tests becomes one of ours, and so does its end."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    tests = 0
    for line in done.stdout.splitlines():
        words = line.split(" - ", 1)
        if line.startswith(("ok ", "not ok ")):
            tests += 1
            ok(line.startswith("ok "), f"{name}: {words[-1]}")
        elif line.startswith("#"):
            diag(line[2:])
        elif line.startswith("1..0"):
            tests += 1
            ok(True, f"{name}: {line[5:].strip(' #')}")
    ok(tests > 0 and (done.returncode == 0) == ("not ok" not in done.stdout), f"{name}: came to its end",
       f"exit {done.returncode}", done.stdout[-2000:], done.stderr[-2000:])


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def main(function, *arguments):
    """Runs a test program's function and closes the plan; an exception is a failed test."""
    try:
        function(*arguments)
    except Exception:  # every cause of death is a failed test with its trace
        ok(False, "the test ran to its end", traceback.format_exc())
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)
