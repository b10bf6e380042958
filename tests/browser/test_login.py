"""The pages in a real browser: login with a real PDS and with a local account, the token, logout; nothing that
the content security policy stops; all of it by keyboard."""
import re

import pytest

import atproto_network
from clients import Refused, Slixmpp
from waddle_server import WaddleServer

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def server(net, tmp_path_factory):
    server = WaddleServer(tmp_path_factory.mktemp("browser") / "data", log="debug", **atproto_network.settings(net))
    server.start()
    server.account("dora", PASSWORD)
    yield server
    server.stop()


@pytest.fixture
def tab(tabs, server):
    """A tab at our login page."""
    tab = tabs()
    # Loopback OAuth clients are 127.0.0.1, never localhost.
    tab.base = f"http://127.0.0.1:{server.ready['http'].rsplit(':', 1)[1]}"
    tab.page.goto(tab.base)
    return tab


def described(page, term):
    """The value beside a term of a definition list."""
    return page.locator(f"dt:text-is('{term}') + dd").inner_text()


def make_token(page, label):
    """Presses the button; the token that the page shows."""
    page.get_by_label("What is it for?").fill(label)
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("heading", name="Your token").wait_for()
    return described(page, "Token")


def test_login_with_bluesky(tab, server, net):
    account, page = net["accounts"]["alice"], tab.page
    page.get_by_label("Handle").fill(account["handle"])
    page.get_by_role("button", name="Continue").click()

    # The PDS's own pages: password, then consent.
    page.wait_for_url(f"{net['pds'].replace('127.0.0.1', 'localhost')}/oauth/authorize**")
    page.locator("input[name=password]").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Authorize").click()

    page.wait_for_url(f"{tab.base}/")
    page.get_by_role("heading", name="You are logged in").wait_for()
    jid = f"{account['did'].rsplit(':', 1)[1]}@{server.domain}"
    assert described(page, "Your address") == f"{jid} @{account['handle']}"

    token = make_token(page, "Slixmpp on my desk")
    assert described(page, "Address") == jid
    with Slixmpp(server, jid.split("@")[0], token) as client:
        assert client.jid.startswith(jid)
        page.get_by_role("link", name="Back").click()
        row = page.get_by_role("row").filter(has_text="Slixmpp on my desk")
        assert token not in page.content()
        # Revoked: the connection ends and the token is worth nothing.
        row.get_by_role("button").click()
        page.wait_for_url(f"{tab.base}/")
        client.wait("offline")
    assert page.get_by_role("row").filter(has_text="Slixmpp on my desk").count() == 0
    with pytest.raises(Refused):
        Slixmpp(server, jid.split("@")[0], token)

    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    page.goto(tab.base)
    assert page.get_by_label("Handle").is_visible()
    assert tab.against(tab.base) == []
    # eyJ begins every JWT: the PDS's tokens, our DPoP proofs.
    for secret in (account["password"], token, "eyJ"):
        assert secret not in server.log()


def test_a_refusal_at_the_pds_comes_back_as_a_message(tab, net):
    page = tab.page
    page.get_by_label("Handle").fill(net["accounts"]["bob"]["handle"])
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/oauth/authorize**")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(f"{tab.base}/**")
    assert page.get_by_role("alert").inner_text()
    assert page.get_by_label("Handle").is_visible()


def test_an_unknown_handle_is_said_to_be_unknown(tab):
    page = tab.page
    page.get_by_label("Handle").fill("nobody-at-all.test")
    page.get_by_role("button", name="Continue").click()
    assert page.get_by_role("alert").inner_text()
    # What was typed is still there to be corrected.
    assert page.get_by_label("Handle").input_value() == "nobody-at-all.test"


def test_local_account(tab, server):
    page = tab.page
    page.get_by_label("Name").fill("dora")
    page.get_by_label("Password").fill("wrong horse")
    page.get_by_role("button", name="Log in").click()
    assert re.search("password", page.get_by_role("alert").inner_text(), re.I)
    assert page.context.cookies() == []

    page.get_by_label("Name").fill("dora")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="You are logged in").wait_for()
    assert described(page, "Your address") == f"dora@{server.domain}"
    session = [cookie for cookie in page.context.cookies() if cookie["httpOnly"]]
    assert session and all(cookie["sameSite"] == "Lax" for cookie in session)
    token = make_token(page, "Desk")
    Slixmpp(server, "dora", token).close()
    page.goto(tab.base)
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert page.context.cookies() == []
    # The browser says 401 for the wrong password in its console; nothing else.
    assert [c for c in tab.against(tab.base) if "401" not in c] == []
    for secret in (PASSWORD, "wrong horse", token):
        assert secret not in server.log()


def test_by_keyboard_alone(tab):
    page, keyboard = tab.page, tab.page.keyboard

    def tab_to(name):
        """Presses Tab until the element with this label or text has the focus; it shows that it has it."""
        for _ in range(20):
            keyboard.press("Tab")
            focus = page.evaluate(
                """() => {
                    const e = document.activeElement, s = getComputedStyle(e)
                    return {name: (e.labels?.[0] ?? e).innerText, ring: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0}
                }""")
            if focus["name"].strip() == name:
                assert focus["ring"], f"{name} does not show the focus"
                return
        raise AssertionError(f"Tab does not reach {name}")

    tab_to("Name")
    keyboard.type("dora")
    tab_to("Password")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    page.get_by_role("heading", name="You are logged in").wait_for()
    tab_to("What is it for?")
    tab_to("Make a token")
    keyboard.press("Enter")
    page.get_by_role("heading", name="Your token").wait_for()
    tab_to("Back")
    keyboard.press("Enter")
    page.get_by_role("heading", name="You are logged in").wait_for()
    tab_to("Log out")
    keyboard.press("Space")
    page.get_by_role("heading", name="Log in").wait_for()


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone_and_a_desk(tabs, server, width, scheme):
    tab = tabs(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page = tab.page
    page.goto(server.url)
    page.get_by_label("Name").fill("dora")
    page.get_by_label("Password").fill(PASSWORD)
    for action in ("Log in", "Make a token", "Back"):
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
        page.get_by_text(action, exact=True).last.click()
        page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    assert tab.against(server.url) == []
