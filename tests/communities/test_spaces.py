"""A waddle is a Space (XEP-0503): a stock client finds it with its channels, hears of their changes, and sees what the API
shows (specs/xmpp.md)."""
import xml.etree.ElementTree as ET

from people import until

PUBSUB = "http://jabber.org/protocol/pubsub"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"


def spaces(client, server):
    answer = client.element("get", f"spaces.{server.domain}", f"<query xmlns='{ITEMS}'/>")
    return {i.get("node"): i.get("name") for i in answer.iter(f"{{{ITEMS}}}item")}


def channels(client, server, node):
    """The rooms of a space by name, or the error."""
    answer = client.element("get", f"spaces.{server.domain}", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>")
    if answer.get("type") == "error":
        return ET.tostring(answer, encoding="unicode")
    return {i.get("id"): i.find("{urn:xmpp:bookmarks:1}conference").get("name") for i in answer.iter(f"{{{PUBSUB}}}item")}


def of_api(person, waddle):
    return {c["jid"]: c["name"] for c in person.api.ok("GET", f"{waddle.path}/channels")["channels"]}


def about(client, server, node):
    answer = client.element("get", f"spaces.{server.domain}", f"<query xmlns='{INFO}' node='{node}'/>")
    return {f.get("var"): f.findtext("{jabber:x:data}value") for f in answer.iter("{jabber:x:data}field")}


def test_a_waddle_is_a_space(stage):
    waddle = stage.waddle()
    server, api = stage.server, stage.alice.api
    api.ok("PATCH", waddle.path, {"name": "The Reef", "description": "Fish & ice"})
    with stage.bob.chat() as bob, stage.carl.chat() as carl:
        assert spaces(bob, server)[waddle.slug] == "The Reef"
        form = about(bob, server, waddle.slug)
        shown = stage.bob.api.ok("GET", waddle.path)
        assert (form["pubsub#type"], form["pubsub#title"], form["pubsub#description"]) == (
            "urn:xmpp:spaces:0", shown["name"], shown["description"])
        assert (form["pubsub#access_model"], form["pubsub#num_items"]) == ("whitelist", "2")
        assert channels(bob, server, waddle.slug) == of_api(stage.bob, waddle) != {}
        listed = bob.element("get", f"spaces.{server.domain}", f"<query xmlns='{ITEMS}' node='{waddle.slug}'/>")
        assert {i.get("name") for i in listed.iter(f"{{{ITEMS}}}item")} == set(of_api(stage.bob, waddle))
        # For a stranger there is no such space, as there is none that does not exist.
        assert waddle.slug not in spaces(carl, server)
        real, fake = (channels(carl, server, node) for node in (waddle.slug, "x" * len(waddle.slug)))
        assert "item-not-found" in real and real.replace(waddle.slug, "x" * len(waddle.slug)) == fake
        assert stage.carl.api.request("GET", f"{waddle.path}/channels").status_code == 403
        # A member is subscribed; nobody publishes, for channels are made by the API or a room's form.
        said = bob.element("get", f"spaces.{server.domain}", f"<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>")
        assert waddle.slug in {s.get("node") for s in said.iter(f"{{{PUBSUB}}}subscription")}
        publish = f"<pubsub xmlns='{PUBSUB}'><publish node='{waddle.slug}'><item><x xmlns='urn:x'/></item></publish></pubsub>"
        assert "feature-not-implemented" in bob.ask("set", f"spaces.{server.domain}", publish)
        assert stage.bob.api.request("POST", f"{waddle.path}/channels", {"name": "mine"}).status_code == 403
        # In the open it is everybody's to find.
        api.ok("PATCH", waddle.path, {"visibility": "public"})
        until(lambda: waddle.slug in spaces(carl, server))
        assert about(carl, server, waddle.slug)["pubsub#access_model"] == "open"
        assert channels(carl, server, waddle.slug) == of_api(stage.carl, waddle) == of_api(stage.bob, waddle)
        subscribe = f"<pubsub xmlns='{PUBSUB}'><subscribe node='{waddle.slug}' jid='{stage.carl.jid}'/></pubsub>"
        assert "not-allowed" in carl.ask("set", f"spaces.{server.domain}", subscribe)
        api.ok("PATCH", waddle.path, {"visibility": "private"})
        until(lambda: waddle.slug not in spaces(carl, server))


def test_changes_of_a_space_are_heard(stage):
    waddle = stage.waddle()
    server, api = stage.server, stage.alice.api
    with stage.alice.chat() as alice, stage.bob.chat() as bob, stage.carl.chat() as carl:
        def heard(client, mark, *words):
            return client.wait("message", mark, type="headline", xml=lambda x: "pubsub#event" in x and all(w in x for w in words))

        mark = bob.mark()
        made = api.ok("POST", f"{waddle.path}/channels", {"name": "Corals"}, status=(201,))
        told = heard(bob, mark, made["jid"], 'name="Corals"')
        assert told["from"] == f"spaces.{server.domain}" and f'node="{waddle.slug}"' in told["xml"]
        assert channels(bob, server, waddle.slug)[made["jid"]] == "Corals"
        # Renamed by a stock client's form of the room.
        mark = bob.mark()
        alice.enter(made["jid"])
        answer = alice.ask("set", made["jid"], "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
                           "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
                           "<field var='muc#roomconfig_roomname'><value>Corals &amp; more</value></field></x></query>")
        assert "error" not in answer, answer
        heard(bob, mark, made["jid"], "Corals &amp; more")
        assert channels(bob, server, waddle.slug) == of_api(stage.bob, waddle)
        assert of_api(stage.bob, waddle)[made["jid"]] == "Corals & more"
        # A private one comes and goes with the right to see it.
        mark = bob.mark()
        api.ok("PATCH", f"{waddle.path}/channels/corals", {"private": True})
        heard(bob, mark, "retract", made["jid"])
        assert channels(bob, server, waddle.slug) == of_api(stage.bob, waddle)
        assert made["jid"] not in of_api(stage.bob, waddle)
        mark = bob.mark()
        api.ok("PUT", f"{waddle.path}/channels/corals/overrides/viewer/bob")
        heard(bob, mark, made["jid"], "Corals &amp; more")
        mark = bob.mark()
        hidden = api.ok("POST", f"{waddle.path}/channels", {"name": "Nest", "private": True}, status=(201,))
        api.ok("DELETE", f"{waddle.path}/channels/corals", status=(204,))
        heard(bob, mark, "retract", made["jid"])
        assert channels(bob, server, waddle.slug) == of_api(stage.bob, waddle)
        assert not bob.find("message", mark, xml=lambda x: hidden["jid"] in x)
        # Strangers heard nothing of all that, before the answer to what they asked after it.
        assert waddle.slug not in spaces(carl, server)
        assert not carl.find("message", xml=lambda x: waddle.slug in x)
