#!/usr/bin/env python3
"""Runs every test and closes with "N passed, N failed, N skipped".

    python3 tests/run.py [--with-lint] [--only NAME]...

A step that breaks before it can count (does not compile, cannot install) counts as one failure, so nothing
that did not run reads as passed. Suites that need something which cannot be had from a package registry are
named as skipped; tests/README.md says how to run them.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path.home() / ".cache" / "waddle"
PACKAGES = {  # program -> Debian package
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "g++": "g++",
    "make": "make",
    "openssl": "openssl",
    "npm": "npm",
    "chromium": "chromium",
    "curl": "curl",
    "jq": "jq",
    "profanity": "profanity",
    "tmux": "tmux",
    "go-sendxmpp": "go-sendxmpp",
    "poezio": "poezio",
    "javac": "default-jdk-headless",
    "mvn": "maven",
}
SUITES = (  # name, checkouts in the folder that WADDLE_SUITES names, program of tests/interop
    ("Smack's and XMPP-interop's tests", ("Smack", "smack-sint-server-extensions"), "smack.py"),
    ("aioxmpp's tests", ("aioxmpp",), "aioxmpp_e2e.py"),
)
STEPS = ("lint", "unit", "atproto", "story", "interop", "fuzz")
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS", "60")


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def add(self, name, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        self.notes.append(f"{name}: {passed} passed, {failed} failed, {skipped} skipped")


def run(command, env=None):
    """Runs a command, shows its output as it comes, and returns (exit code, output)."""
    print(f"\n== {' '.join(map(str, command))}", flush=True)
    process = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", stdin=subprocess.DEVNULL,
    )
    lines = []
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    return process.wait(), "".join(lines)


def install():
    """Debian packages that the tests use; only what is missing."""
    missing = {p for program, p in PACKAGES.items() if not shutil.which(program)}
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
        missing.add("python3-venv")
    missing = sorted(missing)
    if not missing:
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"please install: {' '.join(missing)}")
        return 1
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env)
    code, _ = run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env)
    return code


def plain(totals, name, command, env=None):
    """A step without a count of its own: one passed or one failed."""
    code, _ = run(command, env)
    totals.add(name, int(code == 0), int(code != 0), 0)
    return code == 0


def cargo(totals, name, arguments, within=()):
    """cargo test: sums the result lines of all test programs; ignored tests belong to another step. `within` is a
    program that runs the command given to it."""
    code, output = run([*within, "cargo", "test", "--locked", "--no-fail-fast", *arguments])
    passed = failed = 0
    for p, f in re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed;", output, re.M):
        passed, failed = passed + int(p), failed + int(f)
    if code != 0 and failed == 0:
        failed = 1  # did not compile, or a test program died
    if passed + failed == 0:
        failed = 1  # a suite that ran nothing has not passed
    totals.add(name, passed, failed, 0)


def may_mount():
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(tried, capture_output=True).returncode == 0


def environment(totals, name):
    """The python that has what the tests need; None, and a failure of `name`, where it cannot be made."""
    made = subprocess.run([ROOT / "tests" / "setup.sh", "--python"], capture_output=True, text=True)
    if made.returncode == 0:
        return made.stdout.strip().splitlines()[-1]
    print(made.stdout, made.stderr)
    totals.add(name, 0, 1, 0)
    return None


def pytest(totals, name, arguments, env):
    python = environment(totals, name)
    if python is None:
        return
    code, output = run([python, "-m", "pytest", "-ra", *arguments], env)
    last = (re.findall(r"^=+ (.*) in [\d.:]+s.*=+$", output, re.M) or [""])[-1]
    count = {k: int(n) for n, k in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    failed = count.get("failed", 0) + count.get("error", 0)
    if (code != 0 and failed == 0) or count.get("passed", 0) + failed == 0:
        failed += 1
    totals.add(name, count.get("passed", 0), failed, count.get("skipped", 0))


def kept(totals, name, command, env=None):
    """A suite whose outcomes are kept (tests/interop): what passed, and what is not as kept, counts."""
    code, output = run(command, env)
    found = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) \w+, (\d+) changed$", output, re.M)
    if not found:
        totals.add(name, 0, 1, 0)
        return
    passed, failed, absent, changed = map(int, found[-1])
    print(f"{name}: {passed} pass, {failed} fail and {absent} do not apply, as kept" if code == 0 else f"{name}: {changed} not as kept")
    totals.add(name, passed, max(changed, int(code != 0)), absent)


def interop(totals, env):
    """Suites that nobody here wrote: those of package registries, then those of checkouts."""
    folder = ROOT / "tests" / "interop"
    python = environment(totals, "slixmpp's tests")
    if python is not None:
        kept(totals, "slixmpp's tests", [python, folder / "slixmpp_itests.py"], env)
    kept(totals, "Smack's tests of Maven Central", [sys.executable, folder / "smack.py", "--central"], env)
    for name, checkouts, program in SUITES:
        missing = [c for c in checkouts if not (pathlib.Path(os.environ.get("WADDLE_SUITES", "/nowhere")) / c).exists()]
        if missing:
            print(f"skipped: {name} (set WADDLE_SUITES to a folder with {' and '.join(missing)}, see tests/README.md)")
            totals.add(name, 0, 0, 1)
        else:
            kept(totals, name, [sys.executable, folder / program], env)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--with-lint", action="store_true", help="formatting, clippy and licences before all the rest")
    parser.add_argument("--only", action="append", choices=STEPS, help="this step alone; may be given again")
    options = parser.parse_args()
    wanted = lambda step: not options.only or step in options.only

    started = time.monotonic()
    totals = Totals()
    if install() != 0:
        totals.add("installation", 0, 1, 0)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

    if "lint" in (options.only or (["lint"] if options.with_lint else [])):
        plain(totals, "lint", ["make", "--no-print-directory", "lint"])
        plain(totals, "licences", [ROOT / "tests" / "deny.sh"])
        if not os.environ.get("WADDLE_ADVISORY_DB"):
            print("skipped: advisories (set WADDLE_ADVISORY_DB to a checkout of the RustSec database)")
            totals.add("advisories", 0, 0, 1)
    if wanted("unit"):
        cargo(totals, "unit", ["--workspace"])
    for name, variable, test in (
        ("OpenFGA tables", "WADDLE_OPENFGA_TESTS", "every_assertion_of_openfga"),
        ("OpenFGA language", "WADDLE_OPENFGA_LANGUAGE", "every_case_of_the_language"),
    ):
        if wanted("unit") and os.environ.get(variable):
            cargo(totals, name, ["-p", "waddle-permissions", "--test", "openfga", "--", "--ignored", "--exact", test])
        elif wanted("unit"):
            print(f"skipped: {name} (set {variable}; see tests/README.md)")
            totals.add(name, 0, 0, 1)
    if wanted("unit") and may_mount():
        cargo(totals, "faults of file systems", ["-p", "waddle-storage", "--test", "faults", "--",
                                                 "--ignored", "--exact", "a_full_disk", "a_read_only_file_system"])
    elif wanted("unit"):
        print("skipped: faults of file systems (they need the right to mount, as root has it)")
        totals.add("faults of file systems", 0, 0, 1)
    if wanted("atproto"):
        cargo(totals, "atproto", ["-p", "waddle-identity", "--", "--ignored", "--test-threads=2"],
              within=[ROOT / "tests" / "atproto" / "with-network.sh"])
    env = {"WADDLE_SERVER_BIN": str(target / "debug" / "waddle-server"), "WADDLE_TEST_BINS": str(target / "debug")}
    built = (wanted("story") or wanted("interop")) and plain(
        totals, "server builds", ["cargo", "build", "--locked", "--bin", "waddle-server", "-p", "waddle-server"])
    if built and wanted("story") and plain(totals, "clients build", ["cargo", "build", "--locked", "-p", "waddle-tests", "--bins"]):
        pytest(totals, "end to end", ["tests", "--timeout=300"], env)
    if built and wanted("interop"):
        interop(totals, env)
    if wanted("fuzz"):
        plain(totals, "fuzz", [ROOT / "tests" / "fuzz" / "run.sh", FUZZ_SECONDS])

    if wanted("interop"):
        print("skipped: Eclipse Paho conformance (run by hand, see tests/README.md)")
        totals.add("paho conformance", 0, 0, 1)

    print("\n" + "\n".join(totals.notes))
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return int(totals.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
