"""Headless Chromium without a way to anywhere but loopback, and Converse.js served from an origin of its own."""
import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading
from urllib.parse import quote

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 30_000  # milliseconds
# Root in a container has no user namespaces for the sandbox; the pages are ours and on loopback.
ARGUMENTS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def chromium_path():
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "chromium is missing (Debian package chromium), or set CHROMIUM"
    return found


class Tab:
    """A page in a profile of its own; `complaints` is what the browser's console says against our pages: scripts
    and styles that the content security policy stopped, errors, what did not load."""

    def __init__(self, chromium, **options):
        self.context = chromium.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.location.get('url')}: {message.text}")

    def against(self, base):
        """Complaints about pages below an address."""
        return [complaint for complaint in self.complaints if complaint.startswith(base)]

    def close(self):
        self.context.close()


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Converse.js</title>
<link rel="stylesheet" href="/dist/converse.min.css">
<link rel="icon" href="/dist/images/favicon.ico">
<script type="module" src="/dist/converse.min.js"></script></head>
<body class="converse-fullscreen"><div id="conversejs-bg"></div>
<script type="module" src="/start.js"></script></body></html>
"""


class WebClient(http.server.SimpleHTTPRequestHandler):
    """Converse.js as its makers publish it, and a page whose settings are in the address's fragment."""

    OWN = {
        "/": ("text/html; charset=utf-8", PAGE),
        "/start.js": ("text/javascript", "converse.initialize(JSON.parse(decodeURIComponent(location.hash.slice(1))))"),
    }

    def do_GET(self):
        if self.path not in self.OWN:
            return super().do_GET()
        kind, text = self.OWN[self.path]
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class serve_converse:
    def __enter__(self):
        output = subprocess.run([HERE.parent / "setup.sh", "--browser"], check=True, capture_output=True, text=True).stdout
        folder = pathlib.Path(output.strip().splitlines()[-1]) / "node_modules" / "converse.js"
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(WebClient, directory=folder))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def settings(server, jid, password, **more):
    """Converse.js' settings as its manual describes them, as a fragment."""
    wanted = {
        "websocket_url": f"ws://{server.ready['http']}/xmpp-websocket", "discover_connection_methods": False,
        "authentication": "login", "auto_login": True, "jid": jid, "password": password,
        "view_mode": "fullscreen", "assets_path": "/dist/", "i18n": "en", "loglevel": "warn",
        "auto_reconnect": False, "muc_nickname_from_jid": True, **more,
    }
    return "#" + quote(json.dumps({name: value for name, value in wanted.items() if value is not None}))
