"""Moderation with stock XMPP clients and over HTTP, which see the same: timeouts, kicks, bans, purges, rules, reports, the
audit log (specs/moderation.md)."""
from people import later, note, until

NODE = "urn:waddle:moderation#"


def members(waddle):
    return {m["user"] for m in waddle.stage.alice.api.ok("GET", f"{waddle.path}/members?limit=100")["members"]}


def logged(waddle, query=""):
    return waddle.stage.alice.api.ok("GET", f"{waddle.path}/audit?limit=100{query}")["entries"]


def test_timeouts_kicks_and_bans(stage):
    waddle = stage.waddle()
    room, other = waddle.room(), waddle.room("announcements")
    api = stage.mona.api
    with stage.mona.chat() as mona, stage.bob.chat() as bob, stage.bob.events(waddles=waddle.slug) as own, \
            stage.mona.events(waddles=waddle.slug) as stream:
        mona.enter(room)
        for one in (room, other):
            bob.enter(one)
        own.wait("event", type="ready"), stream.wait("event", type="ready")
        # A timeout by a stock client: everybody sees it, who is silenced hears why.
        mark = bob.mark()
        assert "may read but not write" in note(mona.run(room, f"{NODE}timeout", {"jid": stage.bob.jid, "minutes": 5, "reason": "noise"}))
        bob.wait("presence", mark, role="visitor", **{"from": f"{room}/bob"})
        assert bob.tell(room, "but")["error"] == "forbidden"
        refused = stage.bob.api.request("POST", f"{waddle.at()}/messages", {"body": "but"})
        assert refused.status_code == 403 and "noise" in refused.json()["detail"]
        until_then = stage.mona.api.ok("GET", f"{waddle.path}/timeouts/bob")
        assert until_then["reason"] == "noise"
        told = own.wait("event", type="timeout")["data"]
        assert told["until"] == until_then["expires_at"] and told["reason"] == "noise"
        seen = stream.wait("event", type="member.timed_out")["data"]
        assert (seen["user"], seen["until"]) == ("local:bob", until_then["expires_at"])
        mark, heard = bob.mark(), stream.mark()
        api.ok("DELETE", f"{waddle.path}/timeouts/bob", status=(204,))
        bob.wait("presence", mark, role="participant", **{"from": f"{room}/bob"})
        assert own.wait("event", type="timeout", data=lambda d: d["until"] is None)
        assert stream.wait("event", heard, type="member.timed_out")["data"]["until"] is None
        # Nobody silences, kicks or bans whom they do not stand above.
        assert note(mona.run(room, f"{NODE}timeout", {"jid": stage.alice.jid, "minutes": 5})) in ("forbidden", "not-allowed")
        assert api.request("PUT", f"{waddle.path}/timeouts/alice", {"expires_at": later(60)}).status_code == 403
        assert note(bob.run(room, f"{NODE}kick", {"jid": stage.mona.jid})) in ("forbidden", "item-not-found", "not-allowed")
        assert stage.bob.api.request("DELETE", f"{waddle.path}/members/mona?how=kicked").status_code == 403
        # Kicked from the waddle: out of every channel with 307, and may come back.
        mark = bob.mark()
        assert "out of the waddle" in note(mona.run(room, f"{NODE}kick", {"jid": stage.bob.jid, "reason": "out"}))
        for one in (room, other):
            out = bob.wait("presence", mark, type="unavailable", **{"from": f"{one}/bob"})
            assert {110, 307} <= set(out["statuses"]), out
        assert "local:bob" not in members(waddle) and stage.bob.api.request("GET", waddle.path).status_code == 403
        left = stream.wait("event", type="member.left")["data"]
        assert (left["user"], left["how"]) == ("local:bob", "kicked")
        own.wait("event", type="waddle.left")
        stage.alice.api.ok("POST", f"{waddle.path}/members", {"user": "bob"}, status=(201,))
        for one in (room, other):
            bob.enter(one)
        # Banned by a program for a while: 301 everywhere, and the reason at the door.
        mark = bob.mark()
        api.ok("PUT", f"{waddle.path}/bans/bob", {"reason": "pearls", "expires_at": later(3600)})
        for one in (room, other):
            out = bob.wait("presence", mark, type="unavailable", **{"from": f"{one}/bob"})
            assert {110, 301} <= set(out["statuses"]) and out["reason"] == "pearls"
        again = bob.join(room, "bob")
        assert again["error"] == "forbidden" and "banned" in again["text"]
        refused = stage.bob.api.request("GET", waddle.path)
        assert refused.status_code == 403
        outcasts = mona.ask("get", room, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast'/></query>")
        assert stage.bob.jid in outcasts and "pearls" in outcasts
        assert "come back" in note(mona.run(room, f"{NODE}unban", {"jid": stage.bob.jid}))
        assert api.request("GET", f"{waddle.path}/bans/bob").status_code == 404
        assert note(mona.run(room, f"{NODE}unban", {"jid": stage.bob.jid})) == "item-not-found"
    # Who did what to whom, when, why and from where.
    assert stage.mona.api.request("GET", f"{waddle.path}/audit").status_code == 403
    by = {(e["action"], e["via"]): e for e in logged(waddle, "&whom=bob&actor=mona")}
    assert {("member.timeout", "xmpp"), ("member.timeout.end", "http"), ("member.kick", "xmpp"), ("member.ban", "http"),
            ("member.unban", "xmpp")} <= set(by), by.keys()
    kick, ban = by["member.kick", "xmpp"], by["member.ban", "http"]
    assert (kick["actor"], kick["target"], kick["reason"], kick["address"]) == ("local:mona", "user:local:bob", "out", "127.0.0.1")
    assert kick["at"] and ban["reason"] == "pearls" and ban["token"]


def test_purges(stage):
    waddle = stage.waddle()
    room = waddle.room()
    retracted = lambda client, mark, id: client.wait("message", mark, xml=lambda x: "urn:xmpp:message-retract:1" in x and id in x)
    with stage.mona.chat() as mona, stage.bob.chat() as bob:
        mona.enter(room)
        bob.enter(room)
        kept = mona.say(room, "pearls are fine")["stanza_id"]
        spam = [bob.say(room, f"buy pearls {n}")["stanza_id"] for n in range(3)]
        url = bob.upload()
        spam.append(waddle.say(stage.bob, "buy pearls here", attachments=[{"url": url}])["id"])
        assert stage.bob.api.request("POST", f"{waddle.path}/purges", {"user": "mona"}).status_code == 403
        assert stage.mona.api.request("POST", f"{waddle.path}/purges", {"user": "alice"}).status_code == 403
        # Over HTTP: everybody's client is told of each.
        mark = mona.mark()
        begun = stage.mona.api.ok("POST", f"{waddle.path}/purges", {"user": "bob", "last": 2, "reason": "spam"}, status=(201,))
        until(lambda: stage.mona.api.ok("GET", f"{waddle.path}/purges/{begun['id']}")["finished_at"])
        for id in spam[2:]:
            retracted(mona, mark, id)
        assert [waddle.message(stage.bob, id)["deleted"] for id in (kept, *spam)] == [False, False, False, True, True]
        # By a stock client the rest.
        mark = mona.mark()
        assert "retracted" in note(mona.run(room, f"{NODE}purge", {"jid": stage.bob.jid, "reason": "spam"}))
        for id in spam[:2]:
            retracted(mona, mark, id)
        assert until(lambda: all(waddle.message(stage.bob, id)["deleted"] for id in spam))
        assert waddle.found(stage.mona, "pearls") == ["pearls are fine"] == mona.found("pearls", of=room)
        assert "buy pearls" not in str(bob.archive(of=room)) and not waddle.message(stage.bob, kept)["deleted"]
    purges = logged(waddle, "&action=messages.purge&whom=bob")
    assert {(p["via"], p["reason"]) for p in purges if p["action"] == "messages.purge"} == {("http", "spam"), ("xmpp", "spam")}


def test_word_and_link_rules(stage):
    waddle = stage.waddle()
    room = waddle.room()
    rules, messages = f"{waddle.path}/rules", f"{waddle.at()}/messages"
    rule = {"name": "manners", "kind": "words", "words": ["vile"], "message": "Be kind."}
    assert stage.mona.api.request("POST", rules, rule).status_code == 403
    assert stage.alice.api.request("POST", rules, {"name": "x", "kind": "patterns", "patterns": ["("]}).status_code == 422
    made = stage.alice.api.ok("POST", rules, rule, status=(201,))
    links = {"name": "links", "kind": "links", "deny": ["evil.example"], "then": "replace", "report": True}
    stage.alice.api.ok("POST", rules, links, status=(201,))
    with stage.mona.chat() as mona, stage.bob.chat() as bob, stage.mona.events(waddles=waddle.slug) as stream:
        mona.enter(room)
        bob.enter(room)
        stream.wait("event", type="ready")
        # Refused by both ways, with the words of the rule; whoever moderates may say it.
        refused = bob.tell(room, "so v1le")
        assert refused["error"] == "policy-violation" and "Be kind." in refused["text"]
        answer = stage.bob.api.request("POST", messages, {"body": "so v\u200bile"})
        assert answer.status_code == 422 and "Be kind." in answer.json()["detail"]
        assert mona.tell(room, "'vile' is no word for us")["error"] is None
        said = bob.say(room, "vil is a village")
        assert bob.tell(room, "vile after all", f"<replace xmlns='urn:xmpp:message-correct:0' id='{said['id']}'/>")["error"] == "policy-violation"
        assert stage.bob.api.request("PATCH", f"{messages}/{said['stanza_id']}", {"body": "vile"}).status_code == 422
        # Covered, and in the queue.
        mark = mona.mark()
        covered = bob.tell(room, "see https://evil.example/x")
        assert "evil" not in covered["body"] and "*" in covered["body"]
        assert mona.wait("message", mark, stanza_id=covered["stanza_id"])["body"] == covered["body"]
        assert "evil" not in waddle.message(stage.alice, covered["stanza_id"])["body"]
        report = until(lambda: stage.mona.api.ok("GET", f"{waddle.path}/reports")["reports"])[0]
        assert (report["source"], report["reported"]) == ("rule", "local:bob")
        assert stream.wait("event", type="report.filed")["data"]["report"] == report["id"]
        # Without it everything is as it was.
        stage.alice.api.ok("DELETE", f"{rules}/{made['id']}", status=(204,))
        assert bob.tell(room, "vile, again")["error"] is None
    assert {e["action"] for e in logged(waddle, "&action=rule.")} == {"rule.create", "rule.delete"}


def test_reports_by_a_program_are_handled_by_a_stock_client(stage):
    waddle = stage.waddle()
    room, path = waddle.room(), f"{waddle.path}/reports"
    with stage.mona.chat() as mona, stage.alice.chat() as alice, stage.mona.events(waddles=waddle.slug) as stream, \
            stage.bob.events(waddles=waddle.slug) as bobs:
        mona.enter(room)
        alice.enter(room)
        stream.wait("event", type="ready"), bobs.wait("event", type="ready")
        mark = mona.mark()
        before, said = (alice.say(room, text)["stanza_id"] for text in ("before", "buy <pearls>"))
        body = {"channel_id": waddle.channel(), "message_id": said, "reason": "spam", "text": "again"}
        filed = stage.bob.api.ok("POST", path, body, status=(201,))
        # Those who review hear of it in their clients and their streams; others do not.
        mona.wait("message", mark, body=lambda b: b and "was reported" in b)
        told = stream.wait("event", type="report.filed")["data"]
        assert (told["report"], told["fresh"]) == (filed["id"], True)
        listed = mona.run(room, f"{NODE}reports")
        fields = {f.get("var"): f.findtext("{jabber:x:data}value") for f in next(listed.iter("{jabber:x:data}item")).iter("{jabber:x:data}field")}
        shown = stage.mona.api.ok("GET", f"{path}/{filed['id']}")
        assert (fields["report"], fields["reason"], fields["excerpt"], fields["reporter"]) == (str(filed["id"]), "spam", "buy <pearls>", "local:bob")
        assert (shown["excerpt"], shown["reporter"], shown["text"], shown["state"]) == ("buy <pearls>", "local:bob", "again", "open")
        assert [m["id"] for m in shown["context"]] == [before, said]
        # A stock client claims and resolves it; a program sees that.
        assert note(mona.run(room, f"{NODE}handle-report", {"report": filed["id"], "state": "claimed"})) == f"report {filed['id']} is claimed"
        assert stream.wait("event", type="report.handled", data=lambda d: d["state"] == "claimed")["data"]["report"] == filed["id"]
        assert stage.alice.api.request("PATCH", f"{path}/{filed['id']}", {"state": "claimed"}).status_code == 409
        done = {"report": filed["id"], "state": "resolved", "action": "talked", "note": "a friend"}
        assert note(mona.run(room, f"{NODE}handle-report", done)) == f"report {filed['id']} is resolved"
        shown = stage.alice.api.ok("GET", f"{path}/{filed['id']}")
        assert (shown["state"], shown["handler"], shown["action"], shown["note"]) == ("resolved", "local:mona", "talked", "a friend")
        stream.wait("event", type="report.handled", data=lambda d: d["state"] == "resolved")
        # Who does not review neither sees nor handles any; what is not there is not reported.
        assert stage.bob.api.request("GET", path).status_code == 403
        assert stage.bob.api.request("PATCH", f"{path}/{filed['id']}", {"state": "open"}).status_code == 403
        with stage.bob.chat() as bob:
            assert note(bob.run(room, f"{NODE}reports")) in ("forbidden", "item-not-found")
        assert stage.bob.api.request("POST", path, body | {"message_id": "00000000000000ab"}).status_code == 404
        assert stage.carl.api.request("POST", path, body).status_code == 403
        waddle.say(stage.alice, "fence")
        bobs.wait("event", type="message.created", text=lambda t: "fence" in t)
        assert not bobs.find("event", type=lambda k: k.startswith("report."))
    actions = [e["action"] for e in logged(waddle, "&action=report.")]
    assert sorted(actions) == ["report.claim", "report.file", "report.resolve"]
