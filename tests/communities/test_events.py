"""Live events: what stock XMPP clients do, a program hears over server-sent events and over a WebSocket alike, and hears once
what it missed, by whichever it comes back (specs/http.md, "Events")."""
from people import PASSWORD, Person, Socket, later
from waddle_server import Api

# What differs from one way to the other.
OWN = ("cursor",)


def told(stream, kinds):
    """What a stream told of, without where it was told."""
    seen = [{k: v for k, v in e["data"].items() if k not in OWN} for e in stream.find("event")]
    return [e for e in seen if e["type"] in kinds]


def test_both_ways_of_listening_tell_the_same(stage):
    waddle = stage.waddle()
    room = waddle.room()
    writer = Person(stage.server, f"writer-{waddle.slug}")
    with stage.bob.events() as stream, Socket(stage.bob) as socket, stage.alice.chat() as alice, writer.chat() as w:
        stream.wait("event", type="ready")
        alice.enter(room)
        said = alice.say(room, "one, @bob")
        alice.tell(room, "uno, @bob", f"<replace xmlns='urn:xmpp:message-correct:0' id='{said['id']}'/>")
        alice.tell(room, None, f"<reactions xmlns='urn:xmpp:reactions:0' id='{said['stanza_id']}'><reaction>🐟</reaction></reactions>")
        w.chat(stage.bob.jid, "psst")
        stage.mona.api.ok("PUT", f"{waddle.path}/timeouts/bob", {"expires_at": later(60), "reason": "hush"})
        stage.bob.api.ok("PUT", f"{waddle.at()}/read", {"id": said["stanza_id"]}, status=(204,))
        alice.tell(room, None, f"<retract xmlns='urn:xmpp:message-retract:1' id='{said['stanza_id']}'/><store xmlns='urn:xmpp:hints'/>")
        for one in (stream, socket):
            for kind in ("message.created", "message.updated", "message.reactions", "direct.message", "timeout", "member.timed_out",
                         "inbox.read", "message.deleted"):
                one.wait("event", type=kind)
        for kinds in (("message.created", "message.updated", "message.reactions", "message.deleted"),
                      ("timeout", "member.timed_out"), ("direct.message", "inbox.read")):
            assert told(stream, kinds) == told(socket, kinds) != []
        first = next(e for e in stream.find("event") if e["type"] == "message.created")
        assert first["data"]["mentions_me"] and first["data"]["message"]["id"] == said["stanza_id"]
        # A stranger's stream about this waddle is none; nothing but a WebSocket is taken for one.
        with stage.carl.events(waddles=waddle.slug) as stranger:
            assert stranger.status == 403
        assert stage.bob.api.request("GET", "/events/ws").status_code == 426
        assert stage.bob.api.request("GET", "/events?cursor=nonsense").status_code == 400
    # What was missed over the one is told by the other, each once and in its order.
    missed = [waddle.say(stage.alice, f"missed {n}")["id"] for n in range(3)]
    with writer.chat() as w:
        kept = w.chat(stage.bob.jid, "and you missed this")
        with stage.bob.chat() as bob:
            bob.wait("message", id=kept)
    last = stream.find("event", type=lambda t: t != "ready")[-1]["id"]
    with Socket(stage.bob, cursor=last) as socket:
        socket.wait("event", type="direct.message", text=lambda t: "you missed this" in t)
        now = waddle.say(stage.alice, "now")["id"]
        socket.wait("event", type="message.created", text=lambda t: now in t)
        created = [e["data"]["message"]["id"] for e in socket.find("event", type="message.created")]
        assert created == [*missed, now], created
        assert [e["data"]["message"]["body"] for e in socket.find("event", type="direct.message")] == ["and you missed this"]
        # With the login the stream ends, and says why.
        stage.bob.api.ok("POST", "/auth/logout", status=(204,))
        end = socket.wait("event", type="problem")
        assert end["data"]["problem"]["status"] == 401 and socket.wait("end")["code"] == 1008
    stage.bob.api = Api.login(stage.server, "bob", PASSWORD)
