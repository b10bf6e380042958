#!/usr/bin/env python3
"""slixmpp's own integration tests, from its source package, against waddle-server; outcomes are kept in slixmpp.results.

    slixmpp_itests.py [--only NAME]... [--server BINARY] [--update]

Run by the environment's python of tests/setup.sh, which has slixmpp and aiohttp. The tests name their server by a
domain on ports 5222, 5223 and 5347, so names under that domain are resolved to the server's address here.
"""
import argparse
import asyncio
import http.server
import importlib
import logging
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

import slixmpp

from kept import conclude
from server import CACHE, COMPONENT, DOMAIN, Server, binary

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 20


def sources():
    """The tests of the installed version, from its source package."""
    to = CACHE / f"slixmpp-{slixmpp.__version__}"
    if not (to / "itests").exists():
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                            "--no-binary", ":all:", "--dest", folder, f"slixmpp=={slixmpp.__version__}"], check=True)
            package = next(pathlib.Path(folder).glob("slixmpp-*.tar.gz"))
            with tarfile.open(package) as tar:
                members = [m for m in tar.getmembers() if "/itests/" in m.name]
                for member in members:
                    member.name = member.name.split("/", 1)[1]
                tar.extractall(to, members=members, filter="data")
    return to


def resolve_to(address):
    """Names under the domain mean the server's address; nothing else is resolved."""
    genuine = socket.getaddrinfo

    def getaddrinfo(host, port, *arguments, **more):
        name = host.decode() if isinstance(host, bytes) else host
        if name and (name == DOMAIN or name.endswith("." + DOMAIN)):
            family = arguments[0] if arguments else more.get("family", 0)
            if family == socket.AF_INET6:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            host = address
        return genuine(host, port, *arguments, **more)

    socket.getaddrinfo = getaddrinfo
    slixmpp.xmlstream.resolver.AIODNS_AVAILABLE = False


async def befriend(people):
    """Makes the accounts contacts of each other: one of the tests asks for last activity, which is for contacts only (XEP-0012 §4)."""
    clients = [slixmpp.ClientXMPP(jid, password) for jid, password in people]
    for client in clients:
        client.add_event_handler("session_start", lambda _, client=client: client.send_presence())
        client.connect()
    await asyncio.gather(*(client.wait_until("session_start", PATIENCE) for client in clients))
    for one, other in (clients, reversed(clients)):
        one.send_presence_subscription(pto=other.boundjid.bare, ptype="subscribed")
        one.send_presence_subscription(pto=other.boundjid.bare)
    for client in clients:
        for _ in range(PATIENCE * 10):
            roster = await client.get_roster()
            if {item["subscription"] for item in roster["roster"]["items"].values()} == {"both"}:
                break
            await asyncio.sleep(0.1)
        client.abort()


class Outcomes(unittest.TextTestResult):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.outcomes = {}

    def note(self, test, outcome):
        self.outcomes[".".join(test.id().split(".")[-3:])] = outcome

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "pass")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "fail")

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "fail")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skip")


class Status(http.server.BaseHTTPRequestHandler):
    """The operator's status file, on a host of its own (XEP-0455): no outage."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def status_page():
    """Serves the status file; its address."""
    page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{page.server_port}/status.json"


def bounded(method):
    """A test that waits for what never comes fails instead of hanging."""
    async def run(*arguments, **more):
        return await asyncio.wait_for(method(*arguments, **more), PATIENCE)
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--server", default=binary())
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()

    at = sources()
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="waddle-interop-") as folder, \
            Server(options.server, pathlib.Path(folder), OUTAGE_ADDRESSES=status_page()) as server:
        for n in (1, 2):
            server.account(f"slix{n}", f"correct horse {n}")
            os.environ |= {f"CI_ACCOUNT{n}": f"slix{n}@{DOMAIN}", f"CI_ACCOUNT{n}_PASSWORD": f"correct horse {n}"}
        os.environ |= {"CI_MUC_SERVER": f"muc.{DOMAIN}", "SSL_CERT_FILE": str(pathlib.Path(folder) / "data/tls-cert.pem")}
        resolve_to(server.address)
        asyncio.run(befriend([(os.environ[f"CI_ACCOUNT{n}"], os.environ[f"CI_ACCOUNT{n}_PASSWORD"]) for n in (1, 2)]))
        os.environ["CI"] = "woodpecker"  # without which the test of components is skipped
        sys.path.insert(0, str(at))
        suite = unittest.TestSuite()
        for file in sorted((at / "itests").glob("test_*.py")):
            if not options.only or any(word in file.stem for word in options.only):
                module = importlib.import_module(f"itests.{file.stem}")
                if hasattr(module, "CI_SECRET"):
                    (module.CI_JID, module.CI_SECRET), module.CI_SERVER = COMPONENT, DOMAIN
                for case in vars(module).values():
                    if isinstance(case, type) and issubclass(case, unittest.IsolatedAsyncioTestCase) and case.__module__ == module.__name__:
                        for name, method in list(vars(case).items()):
                            if name.startswith("test_") or name == "asyncSetUp":
                                setattr(case, name, bounded(method) if not getattr(method, "__unittest_skip__", False) else method)
                suite.addTest(module.suite)
        result = unittest.TextTestRunner(verbosity=2, resultclass=Outcomes).run(suite)
    return conclude(HERE / "slixmpp.results", result.outcomes, not options.only, options.update)


if __name__ == "__main__":
    sys.exit(main())
