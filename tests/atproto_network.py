"""A real PLC directory and a real PDS on loopback, and what a person's browser does there."""
import json
import os
import pathlib
import subprocess
from contextlib import contextmanager

import requests

from waddle_server import Api

HERE = pathlib.Path(__file__).resolve().parent


@contextmanager
def network():
    """Yields {"plc", "pds", "accounts": {name: {"handle", "did", "password"}}}; one that runs already is used."""
    if running := os.environ.get("ATPROTO_NET"):
        yield json.loads(pathlib.Path(running).read_text())
        return
    process = subprocess.Popen(
        [HERE / "atproto" / "with-network.sh", "bash", "-c", 'cat "$ATPROTO_NET"; exec cat >/dev/null'],
        env={**os.environ, "ACCOUNTS": "alice,bob,carol,dave"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, "the AT Protocol network did not start"
        yield json.loads(line)
    finally:
        process.stdin.close()
        process.wait(60)


def settings(net):
    """What the server needs to live in this network."""
    return {
        "atproto_plc_url": net["plc"], "atproto_handle_resolver": net["pds"], "atproto_allow_http_loopback": "on",
    }


def sign_in(authorization_url, account, *options):
    """What the person does on the PDS's pages; the address they are sent back to."""
    done = subprocess.run(
        ["node", HERE / "atproto" / "signin.mjs", authorization_url, account["handle"], account["password"], *options],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


class Browser:
    """A browser's session with our server."""

    def __init__(self, server):
        self.server = server
        self.http = requests.Session()
        # Loopback OAuth clients are 127.0.0.1, never localhost (RFC 8252 §7.3).
        self.base = f"http://127.0.0.1:{server.ready['http'].rsplit(':', 1)[1]}"

    def login(self, account):
        """The whole way: our login, the PDS, our callback."""
        begun = self.http.get(
            f"{self.base}/auth/login", params={"handle": account["handle"]}, allow_redirects=False, timeout=20,
        )
        assert begun.status_code in (302, 303, 307), (begun.status_code, begun.text)
        back = sign_in(begun.headers["location"], account)
        assert back.startswith(f"{self.base}/auth/callback"), back
        done = self.http.get(back, allow_redirects=False, timeout=20)
        assert done.status_code in (200, 302, 303), (done.status_code, done.text)
        cookie = done.headers.get("set-cookie", "")
        assert "httponly" in cookie.lower() and "samesite" in cookie.lower(), cookie
        return self

    def csrf(self):
        """The token that a change by cookie needs beside it."""
        answer = self.http.get(f"{self.base}/auth/session", timeout=20)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()["csrf_token"]

    def post(self, path, body=None, csrf=True):
        headers = {"X-CSRF-Token": self.csrf()} if csrf else {}
        return self.http.post(self.base + path, json=body or {}, headers=headers, timeout=20)


class CookieApi(Api):
    """The HTTP API as a page in the browser uses it."""

    def __init__(self, browser):
        super().__init__(browser.server)
        self.browser = browser

    def request(self, method, path, body=None):
        path = path if path.startswith("/auth") else f"/api/v1{path}"
        headers = {} if method == "GET" else {"X-CSRF-Token": self.browser.csrf()}
        return self.browser.http.request(
            method, self.browser.base + path, json=body, headers=headers, timeout=20, allow_redirects=False)
