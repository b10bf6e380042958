"""Outcomes that the repository keeps: one line per test, compared both ways, so that a new pass shows as well as a new failure.

A kept `race` is a test that passes or fails by the order of the suite's own threads, whatever the server does; like a
kept failure it needs its reason in specs/interop.md. It must have run, and counts as neither.
"""

import pathlib

EXPLAINED = pathlib.Path(__file__).resolve().parents[2] / "specs" / "interop.md"


def read(file):
    """{test: outcome} of a kept file; empty where there is none."""
    if not file.exists():
        return {}
    return {test: outcome for outcome, test in (line.split(None, 1) for line in file.read_text().splitlines() if line and line[0] != "#")}


def raced(file, found):
    """{test: outcome} with what is kept as a race called so, whether it passed or failed this time."""
    kept = read(file)
    return {test: "race" if kept.get(test) == "race" and outcome in ("pass", "fail") else outcome for test, outcome in found.items()}


def write(file, found):
    """Keeps {test: outcome}; the lines that explain (`#`) at its head stay."""
    head = [line for line in (file.read_text().splitlines() if file.exists() else []) if line.startswith("#")]
    file.write_text("".join(f"{line}\n" for line in head) + "".join(f"{outcome:<10} {test}\n" for test, outcome in sorted(found.items())))


def compare(file, found, everything=True):
    """What is not as kept, a line each. Unless everything ran, only what ran counts."""
    kept = read(file)
    changes = []
    for test in sorted(set(kept) | set(found)):
        before, now = kept.get(test), found.get(test)
        if before != now and (everything or (before and now)):
            changes.append(f"{before or 'absent'} -> {now or 'absent'}: {test}")
    if everything:
        text = EXPLAINED.read_text()
        changes += [f"no word about it in specs/interop.md: {test}" for test, now in sorted(found.items()) if now in ("fail", "race") and test not in text]
    return changes


def conclude(file, found, everything, update):
    """Says what is not as kept and how many there are of each outcome, or keeps them anew; the exit code."""
    changes = compare(file, found, everything)
    if update and everything:
        write(file, found)
    elif changes:
        print(f"not as in {file.name}:\n  " + "\n  ".join(changes))
    counts = {o: list(found.values()).count(o) for o in ("pass", "fail", "skip")}
    print(f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped, {len(changes)} changed")
    return int(not found or bool(changes and not update))
