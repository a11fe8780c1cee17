#!/usr/bin/python3
"""Foreign SOAP toolkits against a running Supervisor, and the WSDL files against WS-I Basic Profile 1.1."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import diag, main, ok  # noqa: E402
from trial import SOURCE, Trial  # noqa: E402

HERE = os.path.join(SOURCE, "tests/interop")


def relay(name, command):
    """Each test of a client's own program becomes one of ours."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
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


def test():
    relay("WSDL", ["/usr/bin/python3", os.path.join(HERE, "wsdl_profile.py"), SOURCE])
    with Trial() as trial:
        trial.start()
        url = f"https://127.0.0.1:{trial.port('supervisor')}"
        others = [f"https://127.0.0.1:{trial.port('m1')}/soap/master?wsdl", f"https://127.0.0.1:{trial.port('a1')}/soap/agent?wsdl"]
        arguments = [url, "admin", "trial-password", trial.path("certificates", "ca.crt"), *others]
        relay("zeep", ["/usr/bin/python3", os.path.join(HERE, "zeep_client.py"), *arguments])
        relay("PHP", ["php", os.path.join(HERE, "php_client.php"), *arguments])
        relay("SOAP::Lite", ["perl", os.path.join(HERE, "perl_client.pl"), *arguments])


if __name__ == "__main__":
    main(test)
