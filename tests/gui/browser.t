#!/usr/bin/python3
"""A browser at the Controller of a whole trial: see browser.py. Screenshots stay in $HOR_BUILDDIR/screenshots. And the colours of the states."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ.get("HOR_SRCDIR", "."), "tests/lib"))
from tap import main, relay  # noqa: E402
from trial import BUILD, SOURCE, Trial  # noqa: E402

HERE = os.path.join(SOURCE, "tests/gui")


def test():
    relay("colours", ["/usr/bin/python3", os.path.join(HERE, "colours.py"), os.path.join(SOURCE, "xslt-gui/style.css")])
    with Trial() as trial:
        trial.start()
        relay("browser", ["/usr/bin/python3", os.path.join(HERE, "browser.py"), "--url", f"https://127.0.0.1:{trial.port('supervisor')}",
                          "--user", "admin", "--password", "trial-password", "--ca", trial.path("certificates", "ca.crt"),
                          "--screenshots", os.path.join(BUILD, "screenshots")])


main(test)
