#!/usr/bin/env python3
"""Smack's integration tests against waddle-server, with the outcome of every test kept in the repository.

    smack.py [--central] [--only NAME]... [--spec XEP-NNNN]... [--server BINARY] [--logs DIR] [--update]

Without --central: Smack's tests and the server tests of XMPP-interop, built from the checkouts `Smack` and
`smack-sint-server-extensions` in the folder that WADDLE_SUITES names; results in smack.results. With --central: the
tests that Maven Central carries; results in smack-central.results. A full run fails when an outcome differs from
the kept one in either direction; --update writes the new ones. --only takes any part of a class's name, or
Class.method. Each run starts a server of its own on a loopback address that nobody uses.
"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

from kept import compare, raced, read, write
from server import CACHE, DOMAIN, Server, suites

HERE = pathlib.Path(__file__).resolve().parent
SMACK = "c5147b0f4"  # 4.5.0-beta9, the version that the server tests are written against
MODULES = ("smack-integration-test", "smack-websocket", "smack-websocket-java11", "smack-websocket-okhttp", "smack-omemo",
           "smack-openpgp", "smack-resolver-dnsjava", "smack-resolver-minidns")
# What the server tests' own packaging leaves out, because it tests no server.
CLIENT_ONLY = ("chatstate", "commands", "filetransfer", "geolocation", "iqversion", "mood", "ping", "softwareinfo", "usertune")
# Classes that wait for a stanza not to come, once per test: they need no patience.
SILENT = re.compile(r"RFC6121Section8_5_")
TIMEOUT, SILENT_TIMEOUT = 5000, 1000
MINUTES = 40
SECOND_CHANCES = 10


def archive(checkout, commit, paths, into):
    into.mkdir(parents=True, exist_ok=True)
    tar = subprocess.Popen(["git", "-C", checkout, "archive", commit, *paths], stdout=subprocess.PIPE)
    subprocess.run(["tar", "x", "-C", into], stdin=tar.stdout, check=True)
    if tar.wait() != 0:
        sys.exit(f"no commit {commit} in {checkout}")


def build(central):
    """Compiles what is needed once per version; returns the class path."""
    inputs = [(HERE / "smack" / "pom.xml").read_bytes(), (HERE / "smack/src/waddle/interop/Results.java").read_bytes(), str(MODULES)]
    if central:
        inputs.append("central")
    else:
        extensions = suites("smack-sint-server-extensions")
        head = subprocess.run(["git", "-C", extensions, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        inputs += [SMACK, head]
    digest = hashlib.sha256(b"".join(i if isinstance(i, bytes) else i.encode() for i in inputs)).hexdigest()[:16]
    to = CACHE / f"smack-{digest}"
    if (to / "classpath").exists():
        return (to / "classpath").read_text().strip(), to / "classes"
    work = pathlib.Path(tempfile.mkdtemp(prefix="waddle-smack-"))
    try:
        shutil.copy(HERE / "smack" / "pom.xml", work)
        shutil.copytree(HERE / "smack" / "src", work / "sources")
        (work / "resources").mkdir()
        if not central:
            archive(suites("Smack"), SMACK, [f"{m}/src/main" for m in MODULES], work / "smack")
            archive(extensions, head, ["src/main"], work / "extensions")
            for of in [work / "smack" / m for m in MODULES] + [work / "extensions"]:
                for kind, goal in (("java", "sources"), ("resources", "resources")):
                    if (of / "src/main" / kind).exists():
                        shutil.copytree(of / "src/main" / kind, work / goal, dirs_exist_ok=True, ignore_dangling_symlinks=True)
            inttests = work / "smack/smack-integration-test/src/main/java/org/jivesoftware/smackx"
            for package in CLIENT_ONLY:
                if (inttests / package).exists():
                    shutil.rmtree(work / "sources/org/jivesoftware/smackx" / package)
        profile = "central" if central else "suite"
        for goals in (["compile"], ["dependency:build-classpath", "-Dmdep.outputFile=classpath"]):
            done = subprocess.run(["mvn", "-q", "-B", f"-P{profile}", *goals], cwd=work, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(done.stdout[-8000:] + done.stderr[-2000:])
        to.mkdir(parents=True, exist_ok=True)
        shutil.copytree(work / "target/classes", to / "classes", dirs_exist_ok=True)
        line = f"{to / 'classes'}:{(work / 'classpath').read_text().strip()}"
        (to / "classpath.new").write_text(line)
        (to / "classpath.new").rename(to / "classpath")
        return line, to / "classes"
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run(name, program, classpath, classes, options, folder, timeout):
    """One Java process against one server; {test: (outcome, section, reason, quote)}."""
    folder = folder / name
    shutil.rmtree(folder, ignore_errors=True)
    with Server(program, folder / "server") as server:
        properties = {
            "service": DOMAIN, "host": server.address, "securityMode": "required",
            "enabledConnections": "tcp", "dnsResolver": "javax", "replyTimeout": str(options.timeout or timeout),
            "executionOrder": "alphabetic", "testRunResultProcessors": "waddle.interop.Results", "verbose": "true",
        }
        command = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", f"-Dwaddle.results={folder / 'results'}", f"-DlogDir={folder / 'stanzas'}"]
        registers, certificate = server.probe()
        accounts = options.accounts
        if accounts == "auto":
            accounts = "admin" if not options.central else "register" if registers else "three"
        if accounts == "three":
            for which in ("One", "Two", "Three"):
                server.account(f"smack{which.lower()}", "correct horse")
                properties |= {f"account{which}Username": f"smack{which.lower()}", f"account{which}Password": "correct horse"}
        elif accounts == "admin":
            # The one that the first start makes, so that there is no other.
            server.password("admin", "correct horse")
            properties |= {"adminAccountUsername": "admin", "adminAccountPassword": "correct horse"}
        if classes:
            properties["enabledTests"] = ",".join(classes)
        if options.spec:
            properties["enabledSpecifications"] = ",".join(options.spec)
        if options.central:
            properties["debugger"] = "console"  # stanzas go to java.log
            subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "server", "-keystore", folder / "trust", "-storepass", "changeit"],
                           input=certificate, text=True, check=True, capture_output=True)
            command += [f"-Djavax.net.ssl.trustStore={folder / 'trust'}", "-Djavax.net.ssl.trustStorePassword=changeit"]
        else:
            properties["debugger"] = "org.igniterealtime.smack.inttest.util.ModifiedStandardSinttestDebuggerMetaFactory"
            properties["acceptAllCertificates"] = "true"
        command += [f"-Dsinttest.{k}={v}" for k, v in properties.items()]
        command += ["-cp", classpath, "org.igniterealtime.smack.inttest.SmackIntegrationTestFramework"]
        with open(folder / "java.log", "w") as log:
            try:
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, timeout=60 * MINUTES)
            except subprocess.TimeoutExpired:
                print(f"{name}: stopped after {MINUTES} minutes", flush=True)
    found = {}
    if (folder / "results").exists():
        for line in (folder / "results").read_text().splitlines():
            outcome, test, section, reason, quote = line.split("\t")
            found[test] = (outcome, section, reason, quote)
        return found
    # The framework stopped before its end: what its log says of each test still counts.
    log = (folder / "java.log").read_text(errors="replace")
    words = {"Success": "pass", "Failed": "fail", "is not possible": "impossible"}
    for test, variant, word in re.findall(r"^\S+ ([\w.]+) \((?:Normal|LowLevel|SpecificLowLevel)(?:, (\w+))?\) (Success|Failed|is not possible)$", log, re.M):
        found[test + (f"-{variant}" if variant else "")] = (words[word], "", "see java.log", "")
    print(f"{name}: ended early, see {folder / 'java.log'}:\n{log[-3000:]}", flush=True)
    found[f"{name}.end"] = ("fail", "", "the run ended early", "")
    return found


def names(classpath, classes, only):
    """The test classes, or those that `only` means, as the framework's `enabledTests`."""
    found = set()
    for jar_or_folder in classpath.split(":"):
        path = pathlib.Path(jar_or_folder)
        if path.is_dir():
            found |= {p.stem for p in path.rglob("*.class") if "$" not in p.stem}
        elif "integration-test" in path.name:
            inside = [pathlib.PurePath(n) for n in zipfile.ZipFile(path).namelist() if n.endswith(".class") and "$" not in n]
            found |= {n.stem for n in inside if n.parent.name not in CLIENT_ONLY}
    tests = sorted(n for n in found if re.search(r"Tests?$", n) and not n.startswith("Abstract"))
    if not only:
        return tests
    picked = set()
    for word in only:
        if "." in word:
            picked.add(word)
        else:
            picked |= {t for t in tests if word.lower() in t.lower()}
    if not picked:
        sys.exit(f"no test class is called like {only}; there are: {' '.join(tests)}")
    return sorted(picked)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--central", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--spec", action="append", default=[])
    parser.add_argument("--server", default=os.environ.get("WADDLE_SERVER_BIN", HERE.parent.parent / "target/debug/waddle-server"))
    parser.add_argument("--logs", type=pathlib.Path, help="where to leave stanza logs; a temporary folder without it")
    parser.add_argument("--timeout", type=int, help="milliseconds to wait for a reply")
    parser.add_argument("--accounts", choices=("auto", "register", "admin", "three"), default="auto",
                        help="how accounts are made: by an administrator's commands (XEP-0133), without which its tests cannot run, "
                             "by registration (--central), or three beforehand, with which low-level tests cannot run")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()

    folder = (options.logs or pathlib.Path(tempfile.mkdtemp(prefix="waddle-interop-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    classpath, classes = build(options.central)
    picked = names(classpath, classes, options.only)
    everything = not options.only and not options.spec
    groups = {"patient": [c for c in picked if not SILENT.search(c)], "silent": [c for c in picked if SILENT.search(c)]}
    started = time.monotonic()
    found = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run, name, options.server, classpath, group, options, folder, SILENT_TIMEOUT if name == "silent" else TIMEOUT)
                for name, group in groups.items() if group]
        for job in jobs:
            found |= job.result()
    # Some tests race with what the one before them left behind: who passed before gets a second chance, alone.
    kept = HERE / ("smack-central.results" if options.central else "smack.results")
    passed = {test for test, outcome in read(kept).items() if outcome == "pass"}
    again = sorted(t for t, r in found.items() if r[0] == "fail" and t in passed)
    if 0 < len(again) <= SECOND_CHANCES:
        print(f"again, alone: {', '.join(again)}", flush=True)
        found |= run("again", options.server, classpath, sorted({re.sub(r"-\w+$", "", t) for t in again}), options, folder, TIMEOUT)
    for test, (outcome, section, reason, quote) in sorted(found.items()):
        if outcome == "fail" or (outcome == "impossible" and not everything):
            print(f"{outcome} {test} [{section}]\n    {reason}" + (f"\n    “{quote}”" if quote else ""))
            for log in folder.glob(f"*/stanzas/{'/'.join(test.split('.', 1))}/log"):
                print(f"    {log}")
    outcomes = raced(kept, {t: r[0] for t, r in found.items()})
    counts = {o: sum(1 for r in outcomes.values() if r == o) for o in ("pass", "fail", "impossible", "race")}
    (folder / "results.tsv").write_text("".join("\t".join((r[0], t, *r[1:])) + "\n" for t, r in sorted(found.items())))
    changes = compare(kept, outcomes, everything)
    if options.update:
        if not everything:
            sys.exit("--update needs a full run")
        write(kept, outcomes)
    elif changes:
        print(f"not as in {kept.name}:\n  " + "\n  ".join(changes))
    if options.logs is None and not changes and (everything or not counts["fail"]):
        shutil.rmtree(folder)
    else:
        print(f"stanzas: {folder}/*/stanzas/Class/method/log")
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{counts['pass']} passed, {counts['fail']} failed, {counts['impossible'] + counts['race']} impossible, {len(changes)} changed")
    if not found:
        return 1
    return int(bool(changes) and not options.update) if everything else int(counts["fail"] > 0)


if __name__ == "__main__":
    sys.exit(main())
