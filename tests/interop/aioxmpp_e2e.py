#!/usr/bin/env python3
"""aioxmpp's end-to-end tests against waddle-server, from the checkout `aioxmpp` in the folder that WADDLE_SUITES names.

    aioxmpp_e2e.py [--only NAME]... [--server BINARY] [--logs DIR] [--update]

Outcomes are kept in aioxmpp.results. Every client that a test asks for gets an account that nobody used before.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

from kept import conclude
from server import CACHE, DOMAIN, Server, binary, suites

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNTS = 200
PROVISIONER = "provisioner.Fresh"


def python():
    """The python of an environment with what the suite needs, made once per version of aioxmpp.txt."""
    digest = hashlib.sha256((HERE / "aioxmpp.txt").read_bytes() + sys.version.encode()).hexdigest()[:16]
    to = CACHE / f"aioxmpp-{digest}"
    if not (to / ".ok").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", to], check=True)
        subprocess.run([to / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "aioxmpp.txt"], check=True)
        (to / ".ok").touch()
    return to / "bin/python"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--server", default=binary())
    parser.add_argument("--logs", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()

    checkout = suites("aioxmpp")
    interpreter = python()
    with tempfile.TemporaryDirectory(prefix="waddle-interop-") as folder:
        folder = pathlib.Path(options.logs or folder).resolve()
        (folder / "aioxmpp").mkdir(parents=True, exist_ok=True)
        tar = subprocess.Popen(["git", "-C", checkout, "archive", "HEAD", "aioxmpp", "tests"], stdout=subprocess.PIPE)
        subprocess.run(["tar", "x", "-C", folder / "aioxmpp"], stdin=tar.stdout, check=True)
        tests = sorted((folder / "aioxmpp/tests").rglob("*.py"))
        tests = [t for t in tests if t.name != "__init__.py" and "e2etest" in t.read_text() and t.parent.name != "e2etest"]
        tests = [str(t) for t in tests if not options.only or any(word in str(t.relative_to(folder)) for word in options.only)]
        with Server(options.server, folder / "server") as server:
            accounts = []
            for n in range(ACCOUNTS if len(tests) > 2 else 60):
                accounts.append((f"aio{n}", "correct horse"))
                server.account(*accounts[-1])
            config = folder / "e2etest.ini"
            config.write_text(
                f"[global]\nprovisioner={PROVISIONER}\ntimeout=5\n[{PROVISIONER}]\nhost={server.address}\nport=5222\n"
                f"domain={DOMAIN}\nno_verify=true\nquirks=['#no-adhoc-ping']\naccounts={accounts!r}\n")
            env = {**os.environ, "PYTHONPATH": f"{HERE}:{folder / 'aioxmpp'}", "SSL_CERT_FILE": str(server.folder / "data/tls-cert.pem")}
            subprocess.run([interpreter, "-m", "pytest", "-p", "aioxmpp.e2etest", "--e2etest-only", "-q", "-rf", "--tb=short", "--timeout=60",
                            "-W", "ignore", f"--e2etest-config={config}", f"--junitxml={folder / 'results.xml'}", *tests],
                           cwd=folder / "aioxmpp", env=env, stdin=subprocess.DEVNULL)
        found = {}
        for case in tree.parse(folder / "results.xml").iter("testcase"):
            name = f"{case.get('classname').removeprefix('tests.')}.{case.get('name')}"
            skipped = case.find("skipped")
            if skipped is not None and "only e2e" in (skipped.get("message") or ""):
                continue
            broken = case.find("failure") is not None or case.find("error") is not None
            found[name] = "fail" if broken else "skip" if skipped is not None else "pass"
    return conclude(HERE / "aioxmpp.results", found, not options.only, options.update)


if __name__ == "__main__":
    sys.exit(main())
