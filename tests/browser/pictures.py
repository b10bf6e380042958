"""Makes the README's pictures in specs/pictures: `make pictures`.

channel.png: Converse.js in a channel with people and a sensor. login.png: our page after a login with a real PDS.
"""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from playwright.sync_api import sync_playwright  # noqa: E402

import atproto_network  # noqa: E402
from clients import Mqtt, Slixmpp  # noqa: E402
from waddle_server import WaddleServer  # noqa: E402
from web import ARGUMENTS, Tab, chromium_path, serve_converse, settings  # noqa: E402

PICTURES = HERE.parents[1] / "specs" / "pictures"
SIZE = {"width": 1200, "height": 750}
LIMIT = 300_000
DOMAIN = "chat.example.org"
PASSWORD = "a password for pictures"


def save(page, name):
    path = PICTURES / name
    page.screenshot(path=path)
    size = path.stat().st_size
    assert size < LIMIT, f"{name} has {size} bytes"
    print(f"{path} ({size // 1000} kB)")


def channel(server, chromium, converse):
    for name in ("alice", "bob", "carol"):
        server.account(name, PASSWORD)
    server.command("waddle", "create", "penguins", "--owner", "alice")
    for name in ("bob", "carol"):
        server.command("waddle", "add-member", "penguins", name)
    server.command("channel", "create", "penguins", "sensors")
    device = server.json("device", "create", "penguins", "kitchen", "--topic", "home/sensors")
    server.command("feed", "bind", "penguins", "sensors", "home/sensors/#")
    rooms = [server.room("penguins", name) for name in ("announcements", "general", "sensors")]
    sensors = rooms[-1]

    tab = Tab(chromium, viewport=SIZE, locale="en-GB")
    page = tab.page
    with (
        Slixmpp(server, "alice", PASSWORD) as alice, Slixmpp(server, "carol", PASSWORD) as carol,
        Mqtt(server, device["username"], device["password"]) as sensor,
    ):
        for room in rooms:
            alice.join(room, "alice")
            carol.join(room, "carol")

        def reading(place, value, unit):
            since = alice.mark()
            assert sensor.publish(f"home/sensors/reading/{place}", f'{{"value": {value}, "unit": "{unit}"}}') < 0x80
            alice.wait("message", since, body=f"{place}: {value} {unit}")

        alice.send(do="subject", room=sensors, body="Readings from the colony, and what we make of them")
        alice.wait("message", subject=lambda s: s is not None and "colony" in s)
        page.goto(converse + "/" + settings(
            server, f"bob@{DOMAIN}", PASSWORD, auto_join_rooms=rooms, show_self_in_roster=False, muc_show_info_messages=[]))
        for room in rooms:
            alice.wait("presence", type="available", **{"from": f"{room}/bob"})
        page.locator("a.open-room", has_text="Sensors").click()

        def shown(text):
            page.get_by_text(text).last.wait_for()

        alice.say(sensors, "The dough goes in at 21 degrees. Who is near the stove?")
        carol.say(sensors, "Me. I just shut the window.")
        reading("kitchen", 19.8, "°C")
        shown("kitchen: 19.8 °C")
        alice.say(sensors, "Not yet, then.")
        reading("cellar", 62, "%")
        reading("kitchen", 21.5, "°C")
        shown("kitchen: 21.5 °C")
        page.locator("textarea.chat-textarea:visible").fill("There we are. Ice hole closed, oven on.")
        page.keyboard.press("Enter")
        alice.wait("message", body="There we are. Ice hole closed, oven on.")
        carol.say(sensors, "Fish pie at seven, everybody.")
        shown("Fish pie at seven")
        page.locator("textarea.chat-textarea:visible").blur()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)  # fades
        save(page, "channel.png")
    tab.close()


def login(server, chromium, net):
    account = net["accounts"]["alice"]
    tab = Tab(chromium, viewport={"width": 1100, "height": 860}, color_scheme="light")
    page = tab.page
    base = f"http://127.0.0.1:{server.ready['http'].rsplit(':', 1)[1]}"
    page.goto(base)
    page.get_by_label("Handle").fill(account["handle"])
    page.get_by_role("button", name="Continue").click()
    page.locator("input[name=password]").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Authorize").click()
    page.get_by_role("heading", name="You are logged in").wait_for()
    server.command("waddle", "create", "rockhoppers", "--owner", account["handle"])
    for label in ("Gajim on my desk", "Conversations on my phone"):
        page.get_by_label("What is it for?").fill(label)
        page.get_by_role("button", name="Make a token").click()
        page.get_by_role("link", name="Back").click()
    page.get_by_role("heading", name="You are logged in").wait_for()
    save(page, "login.png")
    tab.close()


def main():
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder, atproto_network.network() as net, serve_converse() as converse,
        sync_playwright() as playwright,
    ):
        server = WaddleServer(
            pathlib.Path(folder) / "data", domain=DOMAIN, rate_limits="off", **atproto_network.settings(net))
        server.start()
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            channel(server, chromium, converse)
            login(server, chromium, net)
        finally:
            chromium.close()
            server.kill()


if __name__ == "__main__":
    main()
