"""Makes the README's pictures in specs/pictures: `make pictures`.

channel.png: Converse.js in a channel with people and a sensor. terminal.png: the same channel in profanity.
login.png: our page after a login with a real PDS.
"""
import html
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from playwright.sync_api import sync_playwright  # noqa: E402

import atproto_network  # noqa: E402
from clients import Mqtt, Slixmpp  # noqa: E402
from terminal import Terminal  # noqa: E402
from waddle_server import WaddleServer  # noqa: E402
from web import ARGUMENTS, Tab, chromium_path, serve_converse, settings  # noqa: E402

PICTURES = HERE.parents[1] / "specs" / "pictures"
SIZE = {"width": 1200, "height": 750}
LIMIT = 300_000
DOMAIN = "chat.example.org"
PASSWORD = "a password for pictures"


def save(part, name, **options):
    path = PICTURES / name
    part.screenshot(path=path, **options)
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


PALETTE = (  # xterm's 16 colours, in tones that go together
    "#1d2433", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0",
    "#7f8694", "#ff7b86", "#b5e890", "#ffd88a", "#82c4ff", "#dd94f2", "#79d3de", "#ffffff",
)
PAPERS = ("#151a26", "#6b2f36", "#3c5230", "#65532f", "#274069", "#573561", "#28545c", "#5a6170")


def to_html(screen):
    """A screen with its escape sequences as HTML: colours of the palette, and bold."""
    out, ink, paper, bold = [], None, None, False
    for part in re.split(r"(\x1b\[[\d;]*m)", screen):
        if code := re.fullmatch(r"\x1b\[([\d;]*)m", part):
            for n in map(int, filter(None, (code.group(1) or "0").split(";"))):
                if n == 0:
                    ink, paper, bold = None, None, False
                elif n in (1, 22):
                    bold = n == 1
                elif 30 <= n <= 39:
                    ink = PALETTE[n - 30] if n < 38 else None
                elif 40 <= n <= 49:
                    paper = PAPERS[n - 40] if n < 48 else None
                elif 90 <= n <= 97:
                    ink = PALETTE[n - 82]
            continue
        style = f"color:{ink or PALETTE[7]};" + (f"background:{paper};" if paper else "") + ("font-weight:bold;" if bold else "")
        out.append(f'<span style="{style}">{html.escape(part)}</span>')
    return "".join(out)


def terminal(server, chromium, home):
    room = server.room("penguins", "sensors")
    with Terminal(home, "profanity", columns=100, rows=24) as person, Slixmpp(server, "alice", PASSWORD) as alice:
        person.wait("Type '/help'")
        person.type(f"/connect bob@{DOMAIN} server 127.0.0.1 port {server.ready['xmpp'].rsplit(':', 1)[1]} tls trust")
        person.wait("Enter password")
        person.type(PASSWORD)
        person.wait("logged in successfully")
        alice.join(room, "alice")
        person.type(f"/join {room}")
        alice.wait("presence", type="available", **{"from": f"{room}/bob"})
        person.wait("Fish pie at seven")
        alice.say(room, "Who brings the plates?")
        person.wait("Who brings the plates?")
        person.type("I do.")
        person.wait("bob: I do.")
        text = to_html(person.screen(colours=True).rstrip("\n"))
    tab = Tab(chromium, viewport=SIZE)
    tab.page.set_content(
        f'<body style="margin:0"><pre style="display:inline-block;margin:0;padding:16px;background:#151a26;'
        f'font:16px/1.3 monospace">{text}</pre>')
    save(tab.page.locator("pre"), "terminal.png")
    tab.close()


def login(server, chromium, net):
    account = net["accounts"]["alice"]
    tab = Tab(chromium, viewport={"width": 1100, "height": 750}, color_scheme="light")
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
    save(page, "login.png", full_page=True)
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
            terminal(server, chromium, folder)
            login(server, chromium, net)
        finally:
            chromium.close()
            server.kill()


if __name__ == "__main__":
    main()
