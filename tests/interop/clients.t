#!/usr/bin/python3
"""Foreign SOAP toolkits against a running Supervisor, and the WSDL files against WS-I Basic Profile 1.1."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import main, relay  # noqa: E402
from trial import SOURCE, Trial  # noqa: E402

HERE = os.path.join(SOURCE, "tests/interop")


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


main(test)
