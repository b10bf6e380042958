"""Converse.js, as its makers publish it, from an origin of its own: logs in over /xmpp-websocket, joins, talks, and
shows the sensor's reading and the history."""
from clients import Mqtt, Slixmpp
from web import settings
from waddle_server import Api

PASSWORD = "battery staple"


def test_a_stock_web_client(server, converse, tabs):
    for name in ("alice", "bob"):
        server.account(name, PASSWORD)
    server.command("waddle", "create", "penguins", "--owner", "alice")
    server.command("waddle", "add-member", "penguins", "bob")
    server.command("channel", "create", "penguins", "sensors")
    device = server.json("device", "create", "penguins", "kitchen", "--topic", "home/sensors")
    server.command("feed", "bind", "penguins", "sensors", "home/sensors/#")
    rooms = {name: server.room("penguins", name) for name in ("general", "sensors")}

    tab = tabs(viewport={"width": 1200, "height": 750})
    page, sent = tab.page, []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    with Slixmpp(server, "alice", PASSWORD) as alice:
        for room in rooms.values():
            assert alice.join(room, "alice")["error"] is None
        alice.say(rooms["general"], "said before anybody came")

        page.goto(converse + "/" + settings(server, "bob@localhost", PASSWORD, auto_join_rooms=list(rooms.values())))
        for room in rooms.values():
            alice.wait("presence", type="available", **{"from": f"{room}/bob"})

        # The history, then both directions.
        page.locator("a.open-room", has_text="General").click()
        page.get_by_text("said before anybody came").wait_for()
        page.locator("textarea.chat-textarea:visible").fill("hello from a browser <&> öñ")
        page.keyboard.press("Enter")
        alice.wait("message", body="hello from a browser <&> öñ", **{"from": f"{rooms['general']}/bob"})
        alice.say(rooms["general"], "hello, browser")
        page.get_by_text("hello, browser").wait_for()
        assert any('mechanism="SCRAM-SHA-' in frame for frame in sent)

        page.locator("a.open-room", has_text="Sensors").click()
        with Mqtt(server, device["username"], device["password"]) as sensor:
            assert sensor.publish("home/sensors/temperature/kitchen", '{"value": 21.5, "unit": "°C"}') < 0x80
        page.get_by_text("kitchen: 21.5 °C").wait_for()

        # Whoever is removed sees that they are out.
        server.command("waddle", "remove-member", "penguins", "bob")
        page.get_by_text("no longer allowed", exact=False).or_(page.get_by_text("removed", exact=False)).or_(
            page.get_by_text("not a member", exact=False)).first.wait_for()


def test_a_token_in_place_of_a_password(server, converse, tabs):
    server.account("bob", PASSWORD)
    token = Api.login(server, "bob", PASSWORD).xmpp_token()["token"]
    page = tabs().page
    page.goto(converse + "/" + settings(server, "bob@localhost", token))
    page.get_by_text("I am online").wait_for()


def test_a_wrong_password_is_refused(server, converse, tabs):
    """As a person does it: by Converse's own form."""
    server.account("bob", PASSWORD)
    page = tabs().page
    page.goto(converse + "/" + settings(server, None, None, auto_login=False))
    page.locator("input[name=jid]").fill("bob@localhost")
    page.locator("input[name=password]").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="incorrect").wait_for()
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("I am online").wait_for()
