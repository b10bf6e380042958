"""One engine answers for all: what the API says somebody may do is what a stock XMPP client can do, and a change by either
is a change of the same tuples (specs/permissions.md, "Questions")."""


def test_answers_are_what_a_client_can_do(stage):
    waddle = stage.waddle()
    room, path, api = waddle.room(), f"{waddle.path}/permissions", stage.alice.api
    whole, channel, bob = f"waddle:{waddle.id}", f"channel:{waddle.channel()}", "user:local:bob"

    def check(relation, subject=bob, **more):
        return api.ok("POST", f"{path}/check", {"object": channel, "relation": relation, "subject": subject, **more}, status=(200,))

    with stage.alice.chat() as alice, stage.bob.chat() as client:
        alice.enter(room)
        assert client.enter(room)["role"] == "participant"
        first = check("speak")
        assert first["allowed"] and check("join")["allowed"] and not check("moderate")["allowed"]
        why = api.ok("POST", f"{path}/explain", {"object": channel, "relation": "speak", "subject": bob}, status=(200,))
        assert why["allowed"] and any("member" in step["text"] for step in why["because"]), why
        speakers = lambda: api.ok("POST", f"{path}/list-users", {"object": channel, "relation": "speak"}, status=(200,))["subjects"]
        assert {bob, "user:local:mona", "user:local:alice"} <= set(speakers())
        where = api.ok("POST", f"{path}/list-objects", {"type": "channel", "relation": "speak", "subject": bob}, status=(200,))
        announcements = f"channel:{waddle.channel('announcements')}"
        assert channel in where["objects"] and announcements not in where["objects"]
        client.enter(waddle.room("announcements"))
        assert client.tell(waddle.room("announcements"), "me too")["error"] == "forbidden"
        # A tuple written over HTTP takes the voice of a client that is there.
        mark = client.mark()
        done = api.ok("POST", f"{path}/tuples", {"writes": [f"{channel}#muted@{bob}"], "reason": "too loud"}, status=(200,))
        assert done["written"] == 1
        client.wait("presence", mark, role="visitor", **{"from": f"{room}/bob"})
        assert client.tell(room, "but")["error"] == "forbidden" and bob not in speakers()
        assert not check("speak", consistency={"at_least": done["zookie"]})["allowed"]
        assert check("speak", consistency={"exact": first["zookie"]})["allowed"], "so it was"
        mark = client.mark()
        api.ok("POST", f"{path}/tuples", {"deletes": [f"{channel}#muted@{bob}"]}, status=(200,))
        client.wait("presence", mark, role="participant", **{"from": f"{room}/bob"})
        # A change by a stock client is seen by whoever watches.
        after = api.ok("GET", f"{path}/tuples?limit=1")["zookie"]
        answer = alice.ask("set", room, "<query xmlns='http://jabber.org/protocol/muc#admin'>"
                                        f"<item affiliation='admin' jid='{stage.bob.jid}'/></query>")
        assert "error" not in answer, answer
        watched = api.ok("GET", f"{path}/changes?after={after}&wait=10")
        assert {"written": True, "tuple": f"{whole}#admin@{bob}"} in [
            {"written": c["written"], "tuple": c["tuple"]} for c in watched["changes"]], watched
        assert check("manage", consistency={"at_least": watched["zookie"]})["allowed"]
        # Who may not ask learns nothing, and what is no question is none.
        for person in (stage.mona, stage.carl):
            assert person.api.request("POST", f"{path}/check", {"object": channel, "relation": "speak", "subject": bob}).status_code == 403
        assert api.request("POST", f"{path}/check", {"object": channel, "relation": "speek", "subject": bob}).status_code == 422
        assert api.request("POST", f"{path}/check", {"object": "channel", "relation": "speak", "subject": bob}).status_code == 422
        assert api.request("POST", f"{path}/tuples", {"writes": [f"{whole}#owner@{bob}"]}).status_code == 422
    log = api.ok("GET", f"{waddle.path}/audit?action=tuples.write")["entries"]
    assert [e["reason"] for e in log if e["reason"]] == ["too loud"] and log[0]["via"] == "http"
