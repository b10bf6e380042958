"""The web archive in a real browser: readable without login, on a phone, in the dark, by keyboard and without script;
nothing that its content security policy stops."""
import datetime
import os
import pathlib
import re

import pytest

from clients import Slixmpp
from waddle_server import Api, WaddleServer

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = WaddleServer(tmp_path_factory.mktemp("archive") / "data", rate_limits="off")
    server.start()
    for name in ("alice", "bob"):
        server.account(name, PASSWORD)
    server.command("waddle", "create", "penguins", "--owner", "alice", "--visibility", "public")
    server.command("waddle", "add-member", "penguins", "bob")
    room = server.room("penguins", "general")
    with Slixmpp(server, "alice", PASSWORD) as alice, Slixmpp(server, "bob", PASSWORD) as bob:
        alice.join(room, "alice")
        bob.join(room, "bob")
        for client, text in (
            (alice, "Who has seen the ice hole? <b>It was here.</b>"),
            (bob, "Moved, see https://example.org/map?x=1&y=2."),
            (alice, "Averyverylongwordthatnobodybreaks" * 6),
        ):
            client.say(room, text)
            alice.wait("message", body=text)
    yield server
    server.stop()


def base(server):
    return f"http://127.0.0.1:{server.ready['http'].rsplit(':', 1)[1]}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_on_a_phone(server, tabs, scheme, tmp_path):
    tab = tabs(viewport={"width": 360, "height": 700}, color_scheme=scheme, java_script_enabled=False)
    page, home = tab.page, base(server)
    page.goto(f"{home}/archive")
    page.get_by_role("link", name="penguins", exact=False).last.click()
    page.get_by_role("link", name="general", exact=False).first.click()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    page.get_by_role("link", name=re.compile(r"^\d{4}-\d\d-\d\d$")).first.click()
    assert re.search(rf"/archive/penguins/general/{today.year}-\d\d-\d\d$", page.url)
    articles = page.get_by_role("article")
    assert articles.count() == 3
    assert "<b>It was here.</b>" in articles.first.inner_text()
    link = page.get_by_role("link", name="https://example.org/map?x=1&y=2")
    assert set(link.get_attribute("rel").split()) == {"nofollow", "ugc", "noopener"}
    # nothing is wider than the screen, and what is written can be read
    width = page.locator("html").bounding_box()["width"]
    assert max(box["width"] for box in (a.bounding_box() for a in articles.all())) <= width <= 360
    shot = pathlib.Path(os.environ.get("WADDLE_SCREENSHOTS", tmp_path)) / f"archive-{scheme}.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 5_000
    # by keyboard: the first stop leads past the head
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "To the text"
    # a message's own address leads back to it
    articles.nth(1).get_by_role("link").first.click()
    assert "#m-" in page.url and page.locator("article:target").count() == 1
    assert tab.against(home) == []


def test_what_its_people_decide(server, tabs):
    alice, bob = Api.login(server, "alice", PASSWORD), Api.login(server, "bob", PASSWORD)
    tab = tabs()
    page, home = tab.page, base(server)
    page.goto(f"{home}/archive/penguins/general")
    day = page.get_by_role("link", name=re.compile(r"^\d{4}-\d\d-\d\d$")).first.get_attribute("href")
    bob.ok("PUT", "/me/web-archive", {"hidden": True})
    page.goto(home + day)
    assert page.get_by_text("This person does not appear").count() == 1
    assert page.get_by_text("example.org/map").count() == 0
    bob.ok("PUT", "/me/web-archive", {"hidden": False})
    alice.ok("PATCH", "/waddles/penguins", {"settings": {"public_archive": False}})
    answer = page.goto(home + day)
    assert answer.status == 404
    assert page.get_by_role("heading", name="Not here").count() == 1
    alice.ok("PATCH", "/waddles/penguins", {"settings": {"public_archive": True}})
    assert page.goto(home + day).status == 200
