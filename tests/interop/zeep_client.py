#!/usr/bin/python3
"""The Supervisor's services through zeep: every port type over SOAP 1.1, typed faults, UsernameToken over TLS.

    zeep_client.py URL USER PASSWORD CA [WSDL_URL...]     prints TAP; further WSDL files are only loaded
"""
import datetime
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from tap import equal, main, ok, skip_all  # noqa: E402

try:
    import requests
    import zeep
    from zeep.transports import Transport
    from zeep.wsse.username import UsernameToken
except ImportError as error:
    skip_all(f"zeep is not installed: {error}")

NS = "{urn:horarium:supervisor:1}"


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def fault_of(client, call, *arguments, **named):
    """(name of the typed fault, its detail as an object)"""
    try:
        call(*arguments, **named)
    except zeep.exceptions.Fault as fault:
        if fault.detail is None or len(fault.detail) == 0:
            return fault.message, None
        element = fault.detail[0]
        detail = client.wsdl.types.get_element(element.tag).parse(element, client.wsdl.types)
        return element.tag.split("}")[1], detail
    return None, None


def check(url, user, password, ca, *others):
    warnings = Warnings()
    logging.getLogger("zeep").addHandler(warnings)
    session = requests.Session()
    session.verify = ca
    session.trust_env = False  # no other authority from the environment
    transport = Transport(session=session, timeout=30, operation_timeout=30)
    settings = zeep.Settings(strict=True)
    for address in (f"{url}/soap/supervisor-flat.wsdl", *others):
        ok(zeep.Client(address, transport=transport, settings=settings), f"loads {address.rsplit('/', 1)[1]}")
    client = zeep.Client(f"{url}/soap/supervisor?wsdl", transport=transport, settings=settings,
                         wsse=UsernameToken(user, password))
    port = {name: client.bind("Supervisor", name) for name in client.wsdl.services["Supervisor"].ports}
    equal(sorted(n for n in port if not n.endswith("12")),
          ["Administration", "Configuration", "Control", "Event", "History", "Plan", "Release", "Session", "Status"],
          "one port for each concern")
    ok(all(p._binding_options["address"].startswith(url + "/soap/") for p in port.values()), "at the address it came from")

    for version in ("", "12"):
        label = "SOAP 1.2: " if version else "SOAP 1.1: "
        me = port["Session" + version].WhoAmI()
        equal(me.user, user, label + "WhoAmI")
        status = port["Status" + version].GetStatus()
        ok(isinstance(status.asOf, datetime.datetime) and status.asOf.tzinfo is not None, label + "times have a zone", status)
        orders = port["Status" + version].ListOrders(filter={"state": ["active", "ended"]}, limit=5)
        ok(isinstance(orders.order, list) and len(orders.order) <= 5, label + "ListOrders with a filter")
        events = port["Event" + version].GetEvents(after=0, limit=5, waitMs=0)
        ok(len(events.event) <= 5 and all(event.index > 0 for event in events.event), label + "GetEvents")
        name, detail = fault_of(client, port["Status" + version].GetOrder, id="there-is-no-such-order")
        equal(name, "NotFound", label + "an unknown order is the fault NotFound")
        ok(detail is not None and detail.code == "NotFound" and detail.correlation and detail.retryable is False
           and detail.text, label + "its detail is typed", detail)
        name, detail = fault_of(client, port["Status" + version].ListOrders, limit=100000)
        equal(name, "InvalidRequest", label + "a limit above the schema's is the fault InvalidRequest")

    wrong = zeep.Client(f"{url}/soap/supervisor?wsdl", transport=transport, wsse=UsernameToken(user, password + "x"))
    name, detail = fault_of(wrong, wrong.bind("Supervisor", "Session").WhoAmI)
    equal(name, "NotAuthenticated", "a wrong password is the fault NotAuthenticated")
    nobody = zeep.Client(f"{url}/soap/supervisor?wsdl", transport=transport)
    name, detail = fault_of(nobody, nobody.bind("Supervisor", "Session").WhoAmI)
    equal(name, "NotAuthenticated", "so is nobody")
    login = nobody.bind("Supervisor", "Session").Login(user=user, password=password)
    with nobody.settings(extra_http_headers={"X-Horarium-Session": login.token}):
        equal(nobody.bind("Supervisor", "Session").WhoAmI().user, user, "a session's token stands for its user")
        nobody.bind("Supervisor", "Session").Logout()
        name, detail = fault_of(nobody, nobody.bind("Supervisor", "Session").WhoAmI)
        equal(name, "NotAuthenticated", "until it is closed")
    equal(warnings.lines, [], "zeep has nothing to complain about")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(check, *sys.argv[1:])
