#!/usr/bin/env python3
"""table.py RESULTS BENCHMARKS [--print]: writes the section "Permissions" of specs/benchmarks.md from the lines of a run."""
import datetime
import json
import os
import pathlib
import re
import sys

results = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
page = pathlib.Path(sys.argv[2])
here = pathlib.Path(__file__).parent


def version(module, of):
    return re.search(rf"{module} (v[\d.]+)", (here / of / "go.mod").read_text()).group(1)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def find(**wanted):
    found = [r for r in results if all(r[k] == v for k, v in wanted.items())]
    return found[0] if found else None


sizes = sorted({r["tuples"] for r in results})
rows, ratios = [], []
for tuples in sizes:
    for r in sorted((r for r in results if r["tuples"] == tuples), key=lambda r: (r["way"] != "in process", r["way"], r["system"], r["cache"], r["asking"])):
        rows.append(f"| {tuples:,} | {r['system']} | {r['way']} | {r['cache']} | {r['asking']} | {number(r['p50_us'])} | {number(r['p99_us'])} | {number(r['mean_us'])} | {number(r['per_second'])} |")
    for cache in ("off", "on"):
        for way, theirs in (("in process", "in process"), ("loopback HTTP", "loopback gRPC")):
            for asking in (1, 8):
                ours = find(system="Waddle", way=way, tuples=tuples, asking=asking, **({"cache": cache} if way == "in process" else {}))
                peers = [r for r in results if r["tuples"] == tuples and r["way"] == theirs and r["cache"] == cache and r["asking"] == asking and r["system"] != "Waddle"]
                if ours and peers:
                    best = min(peers, key=lambda r: r["p50_us"])
                    ratios.append(f"| {tuples:,} | {way}, {asking} asking, their cache {cache} | {number(ours['p50_us'])} | {number(best['p50_us'])} ({best['system']}) | {number(best['p50_us'] / ours['p50_us'])} |")
cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
text = f"""## Permissions

Written by `make bench-permissions` on {datetime.date.today()}: checks under `specs/permissions.fga` in a waddle of many members, 50 channels, five roles, bans and mutes; six kinds of questions at random, about half of them denied. Every answer of every engine is compared with what it must be.

- Machine: {os.cpu_count()} cores, {cpu.group(1) if cpu else "?"}, load at the end {" ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3])}; clients and servers share it.
- OpenFGA {version("openfga/openfga", "openfga")} and SpiceDB {version("authzed/spicedb", "spicedb")} as libraries of a small Go program each, with their in-memory stores: *in process* is a function call (OpenFGA) and a connection in memory (SpiceDB), *loopback gRPC* a TCP connection within one program. OpenFGA's in-memory store looks at every tuple of a store for each read; SpiceDB's model is the same one, translated (`tests/peers/zanzibar/spicedb/model.go`), and minimizes latency.
- Waddle in process is `TupleStore::check` and `check_uncached`; over HTTP it is the whole API: login, rate buckets, scope, the right to ask, the check, JSON and a zookie, asked by a client in a process of its own. The peers' loopback is gRPC, without a login.
- Waddle's answers are always of the newest revision. Caches of whole decisions are off in OpenFGA unless configured, and then answer as things were when it was asked first, here up to a minute ago.
- With a cache on, p50 is a whole decision from it; the means hold what was not in it yet.

| tuples | what | Waddle, p50 µs | best peer, p50 µs | times faster |
|---|---|---|---|---|
{chr(10).join(ratios)}

| tuples | engine | way | cache | asking | p50, µs | p99, µs | mean, µs | checks a second |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}
"""
if "--print" in sys.argv:
    print(text)
    sys.exit()
old = page.read_text() if page.exists() else "# Benchmarks\n"
kept = re.sub(r"\n## Permissions\n.*?(?=\n## |\Z)", "", old, flags=re.S).rstrip("\n")
before, heading, after = kept.partition("\n## How to read it")
page.write_text(f"{before.rstrip()}\n\n{text}{heading}{after}\n" if heading else f"{kept}\n\n{text}")
print(f"wrote {page}", file=sys.stderr)
