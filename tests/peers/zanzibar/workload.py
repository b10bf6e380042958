#!/usr/bin/env python3
"""Writes the workload that every engine gets: a waddle of many members under specs/permissions.fga.

workload.py DIRECTORY MEMBERS: model.fga, tuples.txt (a line each), checks.txt (`+` allowed or `-` denied, a tuple).
"""
import pathlib
import random
import sys

out, members = pathlib.Path(sys.argv[1]), int(sys.argv[2])
top = pathlib.Path(__file__).resolve().parents[3]
draw = random.Random(7)
channels, private = 50, 5


def user(i):
    return f"user:did:plc:{i:024}"


tuples = ["waddle:w#owner@user:local:olga", "waddle:w#admin@user:local:adam", "waddle:w#moderator@user:local:mona"]
tuples += [f"waddle:w#member@{user(i)}" for i in range(members)]
banned = range(members, members + members // 100)
tuples += [f"waddle:w#banned@{user(i)}" for i in banned]
for c in range(channels):
    tuples.append(f"channel:c{c}#parent@waddle:w")
    if c < private:
        tuples.append(f"channel:c{c}#viewer@role:r{c}#member")
        tuples.append(f"channel:c{c}#writer@role:r{c}#member")
        tuples.append(f"role:r{c}#parent@waddle:w")
        tuples += [f"role:r{c}#member@{user(i)}" for i in range(c, members, 20)]
    else:
        tuples.append(f"channel:c{c}#viewer@waddle:w#viewer")
        tuples.append(f"channel:c{c}#writer@waddle:w#member")
tuples += [f"channel:c{10 + i % 20}#muted@{user(i)}" for i in range(0, members, 200)]

checks = []
for _ in range(5000):
    c, i = draw.randrange(private, channels), draw.randrange(members)
    kind = draw.randrange(6)
    if kind == 0:
        checks.append(f"+ channel:c{c}#join@{user(i)}")
    elif kind == 1:
        muted = i % 200 == 0 and 10 + i % 20 == c
        checks.append(f"{'-' if muted else '+'} channel:c{c}#speak@{user(i)}")
    elif kind == 2:
        r = draw.randrange(private)
        checks.append(f"{'+' if i % 20 == r else '-'} channel:c{r}#join@{user(i)}")
    elif kind == 3:
        checks.append(f"- channel:c{c}#join@{user(draw.choice(banned))}")
    elif kind == 4:
        checks.append(f"- channel:c{c}#moderate@{user(i)}")
    else:
        checks.append(f"+ channel:c{c}#moderate@user:local:{draw.choice(['olga', 'adam', 'mona'])}")
out.mkdir(parents=True, exist_ok=True)
(out / "model.fga").write_text((top / "specs/permissions.fga").read_text())
(out / "tuples.txt").write_text("".join(f"{t}\n" for t in tuples))
(out / "checks.txt").write_text("".join(f"{c}\n" for c in checks))
print(len(tuples), "tuples,", len(checks), "checks")
