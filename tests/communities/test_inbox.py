"""What is not read: one marker over a person's devices, whether a stock client says it by a displayed marker (XEP-0333) or
by synchronization (XEP-0490), or a program over HTTP; the inbox (XEP-0430) and `/inbox` count the same
(specs/messages.md, "Read markers and the inbox")."""
import slixmpp

from people import Person, until

MDS = "urn:xmpp:mds:displayed:0"


def device(person, resource):
    """A stock client that wants to hear of markers, with its own plugins for them."""
    return person.chat(resource, plugins=("xep_0115", "xep_0163", "xep_0333", "xep_0490"))


def shows(client, to, id, kind="groupchat"):
    """The client shows a message: a displayed marker (XEP-0333)."""
    client._call(lambda: client.xmpp.plugin["xep_0333"].send_marker(slixmpp.JID(to), id, "displayed", mtype=kind))


def flags(client, chat, id):
    """The client publishes up to where it has shown a conversation (XEP-0490)."""
    client._call(client.xmpp.plugin["xep_0490"].flag_chat, chat, id)


def hears(client, mark, chat, id):
    """A device is told of the marker."""
    return client.wait("message", mark, xml=lambda x: MDS in x and f'id="{chat}"' in x and f'id="{id}"' in x)


def caught_up(client):
    """What a device that comes back reads of the node: conversation -> message."""
    answer = client.element("get", None, f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{MDS}'/></pubsub>")
    items = answer.iter("{http://jabber.org/protocol/pubsub}item")
    return {i.get("id"): i.find(f"{{{MDS}}}displayed/{{urn:xmpp:sid:0}}stanza-id").get("id") for i in items}


def conversation(person, jid):
    return next((c for c in person.api.ok("GET", "/inbox?limit=100")["conversations"] if c["jid"] == jid), None)


def test_one_marker_for_all_devices_in_a_channel(stage):
    waddle = stage.waddle()
    room, path = waddle.room(), f"{waddle.at()}/read"
    api = stage.bob.api
    said = [waddle.say(stage.alice, f"line {n}" + (" @bob" if n == 2 else ""))["id"] for n in range(6)]
    with device(stage.bob, "desk") as desk, device(stage.bob, "phone") as phone, stage.bob.events() as stream, stage.mona.chat() as mona:
        counts = lambda: (conversation(stage.bob, room)["unread"], conversation(stage.bob, room)["mentions"])
        assert counts() == (6, 1) == desk.inbox()[room] == phone.inbox()[room]
        assert api.ok("GET", path) == {"id": None, "unread": 6, "mentions": 1}
        stream.wait("event", type="ready")
        # A displayed marker of one device.
        desk.enter(room)
        mark, heard = phone.mark(), stream.mark()
        shows(desk, room, said[1])
        hears(phone, mark, room, said[1])
        read = stream.wait("event", heard, type="inbox.read")["data"]
        assert (read["jid"], read["channel_id"], read["message_id"]) == (room, waddle.channel(), said[1])
        assert api.ok("GET", path) == {"id": said[1], "unread": 4, "mentions": 1}
        assert counts() == (4, 1) == phone.inbox()[room]
        # What the other one publishes.
        mark, heard = desk.mark(), stream.mark()
        flags(phone, room, said[2])
        hears(desk, mark, room, said[2])
        assert stream.wait("event", heard, type="inbox.read")["data"]["message_id"] == said[2]
        assert counts() == (3, 0) == desk.inbox()[room]
        # A program.
        marks, heard = (desk.mark(), phone.mark()), stream.mark()
        api.ok("PUT", path, {"id": said[4]}, status=(204,))
        for client, mark in zip((desk, phone), marks):
            hears(client, mark, room, said[4])
        assert stream.wait("event", heard, type="inbox.read")["data"]["message_id"] == said[4]
        assert counts() == (1, 0) == desk.inbox()[room]
        assert caught_up(desk)[room] == said[4] == caught_up(phone)[room]
        # It never goes back, and nobody is told of what did not move.
        marks, heard = (desk.mark(), phone.mark()), stream.mark()
        api.ok("PUT", path, {"id": said[0]}, status=(204,))
        shows(desk, room, said[3])
        api.ok("PUT", path, {"id": said[5]}, status=(204,))
        for client, mark in zip((desk, phone), marks):
            hears(client, mark, room, said[5])
            assert not client.find("message", mark, xml=lambda x: MDS in x and (said[0] in x or said[3] in x))
        moved = [e["data"]["message_id"] for e in stream.find("event", heard, type="inbox.read")]
        assert moved in ([said[5]], []) or moved[-1] == said[5] and said[0] not in moved and said[3] not in moved, moved
        assert counts() == (0, 0) == phone.inbox()[room]
        # What is no message of the channel marks nothing; it is nobody else's inbox.
        assert api.request("PUT", path, {"id": "00000000000000ab"}).status_code == 404
        assert stage.carl.api.request("PUT", path, {"id": said[0]}).status_code == 403
        assert "forbidden" in mona.ask("get", stage.bob.jid, "<inbox xmlns='urn:xmpp:inbox:1'/>")
        assert "error" in mona.ask("get", stage.bob.jid, f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{MDS}'/></pubsub>")
    # What was said before somebody came is read.
    dora = Person(stage.server, f"dora-{waddle.slug}")
    stage.alice.api.ok("POST", f"{waddle.path}/members", {"user": dora.name}, status=(201,))
    assert dora.api.ok("GET", path)["unread"] == 0 == conversation(dora, room)["unread"]


def test_one_marker_for_all_devices_with_a_person(stage):
    with device(stage.bob, "desk") as desk, device(stage.bob, "phone") as phone, stage.bob.events() as stream, stage.alice.chat() as alice:
        stream.wait("event", type="ready")
        peer = stage.alice.jid
        marks = desk.mark(), phone.mark()
        ids = [alice.tell(stage.bob.jid, f"psst {n}", kind="chat") for n in range(3)]
        kept = [desk.wait("message", marks[0], body=f"psst {n}")["stanza_id"] for n in range(3)]
        found = conversation(stage.bob, peer)
        assert (found["unread"], found["mentions"]) == (3, 3) == desk.inbox()[peer]
        assert found["last_direct"]["body"] == "psst 2" and found["last_direct"]["id"] == kept[2]
        told = stream.wait("event", type="direct.message", data=lambda d: d["message"]["body"] == "psst 2")["data"]
        assert (told["jid"], told["message"]["id"], told["message"]["mine"]) == (peer, kept[2], False)
        # One device shows it, by the name that the sender gave it.
        mark, heard = phone.mark(), stream.mark()
        shows(desk, peer, ids[1], kind="chat")
        hears(phone, mark, peer, kept[1])
        read = stream.wait("event", heard, type="inbox.read")["data"]
        assert (read["jid"], read["channel_id"], read["message_id"]) == (peer, None, kept[1])
        # A marker is no answer, and no message.
        assert conversation(stage.bob, peer)["unread"] == 1 == phone.inbox()[peer][0]
        assert conversation(stage.bob, peer)["last_direct"]["id"] == kept[2]
        mark, heard = desk.mark(), stream.mark()
        flags(phone, peer, kept[2])
        hears(desk, mark, peer, kept[2])
        assert stream.wait("event", heard, type="inbox.read")["data"]["message_id"] == kept[2]
        until(lambda: conversation(stage.bob, peer)["unread"] == 0)
        assert desk.inbox()[peer] == (0, 0)
