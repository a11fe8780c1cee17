"""Test Anything Protocol for the tests that are written in Python."""
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
