"""Clients that people use log in, see their contacts, talk to somebody and chat in a room."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import uuid

import pytest

from clients import Process, Slixmpp, node_folder
from terminal import Terminal

PASSWORD = "battery staple"
ROOM = "penguins.general@muc.localhost"


def library(script, secure=False, bosh=False):
    """A JavaScript library's client, over WebSocket, STARTTLS or BOSH."""

    def make(server, username, monkeypatch):
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(server.data_dir / "tls-cert.pem"))
        service = f"xmpp://localhost:{port(server)}" if secure else f"ws://{server.ready['http']}/xmpp-websocket"
        service = f"{server.url}/http-bind" if bosh else service
        return Process(f"{script}:{username}", ["node", node_folder() / script, service, server.domain, username, "js"], PASSWORD)

    return make


def port(server):
    return server.ready["xmpp"].rsplit(":", 1)[1]


@pytest.fixture
def people(server):
    for name in ("alice", "bob"):
        server.account(name, PASSWORD)
    server.command("waddle", "create", "penguins", "--owner", "alice")
    server.command("waddle", "add-member", "penguins", "bob")
    with Slixmpp(server, "alice", PASSWORD) as alice:
        alice.xmpp.auto_authorize = True
        alice.xmpp.auto_subscribe = True
        alice.join(ROOM, "alice")
        yield alice


@pytest.mark.parametrize(
    "make", [library("chat.mjs"), library("chat.mjs", secure=True), library("stanza.mjs"), library("strophe.mjs"),
             library("strophe.mjs", bosh=True)],
    ids=["@xmpp/client", "@xmpp/client, STARTTLS", "stanza.js", "strophe.js", "strophe.js, BOSH"])
def test_javascript(people, server, make, monkeypatch):
    alice = people
    with make(server, "bob", monkeypatch) as bob:
        bob.send(do="befriend", to="alice@localhost")
        alice.wait("presence", type="available", **{"from": bob.jid})
        bob.wait("presence", type="available", **{"from": alice.jid})
        bob.send(do="roster")
        assert ["alice@localhost", "both"] in bob.wait("roster", items=lambda items: ["alice@localhost", "both"] in items)["items"]

        bob.chat("alice@localhost", "hello <&> öñ 🐧")
        alice.wait("message", body="hello <&> öñ 🐧", type="chat", **{"from": bob.jid})
        alice.chat(bob.jid, "and back")
        bob.wait("message", body="and back", type="chat", **{"from": alice.jid})

        assert bob.join(ROOM, "bob")["error"] is None
        bob.say(ROOM, "in the room")
        alice.wait("message", body="in the room", **{"from": f"{ROOM}/bob"})
        alice.say(ROOM, "heard")
        bob.wait("message", body="heard", **{"from": f"{ROOM}/alice"})


def go_sendxmpp(server, *arguments):
    return ["go-sendxmpp", "-u", "bob@localhost", "-p", PASSWORD, "-j", f"localhost:{port(server)}", "-n", *arguments]


def test_go_sendxmpp(people, server, tmp_path):
    alice = people

    def send(text, *arguments):
        done = subprocess.run(go_sendxmpp(server, *arguments), input=text, text=True, capture_output=True, timeout=30, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    send("from a script\n", "alice@localhost")
    alice.wait("message", body=lambda body: body and body.strip() == "from a script")
    send("to the room\n", "-c", "-a", "bob", ROOM)
    alice.wait("message", body=lambda body: body and body.strip() == "to the room", **{"from": f"{ROOM}/bob"})

    listener = subprocess.Popen(go_sendxmpp(server, "-l"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
    ending = threading.Timer(30, listener.kill)
    ending.start()
    try:
        mark = uuid.uuid4().hex
        # The listener's resource is its own choice; what comes for the account while it starts is kept for it.
        alice.chat("bob@localhost", mark)
        assert any(mark in line for line in listener.stdout)
    finally:
        ending.cancel()
        listener.kill()
        listener.wait()


def test_profanity(people, server, tmp_path):
    alice = people
    with Terminal(tmp_path, "profanity") as bob:
        bob.wait("Type '/help'")
        bob.type(f"/connect bob@localhost server 127.0.0.1 port {port(server)} tls trust")
        bob.wait("Enter password")
        bob.type(PASSWORD)
        bob.wait("logged in successfully")
        bob.type("/sub request alice@localhost")
        bob.wait("Received authorization request from alice@localhost")
        bob.type("/sub allow alice@localhost")
        alice.wait("presence", type="available", **{"from": lambda who: who.startswith("bob@localhost/")})
        bob.type("/msg alice@localhost hello from a terminal")
        alice.wait("message", body="hello from a terminal")
        alice.chat("bob@localhost", "hello, terminal")
        bob.wait("hello, terminal")
        bob.type(f"/join {ROOM} nick bob")
        alice.wait("presence", type="available", **{"from": f"{ROOM}/bob"})
        bob.type("typed in the room")
        alice.wait("message", body="typed in the room", **{"from": f"{ROOM}/bob"})
        alice.say(ROOM, "read in the room")
        bob.wait("read in the room")


def enter(terminal, line):
    """poezio takes what comes at once for a paste, in which Enter is a line break."""
    terminal.tmux("send-keys", "-l", line)
    terminal.wait(line)
    terminal.tmux("send-keys", "Enter")


def test_poezio(people, server):
    alice = people
    with tempfile.TemporaryDirectory(prefix="waddle-poezio-") as home:
        config, certificate = pathlib.Path(home) / "poezio.cfg", pathlib.Path(home) / "server.pem"
        shutil.copy(server.data_dir / "tls-cert.pem", certificate)
        config.write_text(
            f"[Poezio]\njid = bob@localhost\npassword = {PASSWORD}\ncustom_host = 127.0.0.1\ncustom_port = {port(server)}\n"
            f"rooms = {ROOM}/bob\nca_cert_path = {certificate}\nuse_pep_nick = false\nauto_reconnect = false\n")
        command = f"poezio -f {config} -d {home}/debug.log"
        if os.geteuid() == 0:  # it does not run as root
            for path in (home, config, certificate):
                shutil.chown(path, "nobody")
            command = f"setpriv --reuid=nobody --regid=nogroup --clear-groups {command}"
        with Terminal(home, command) as bob:
            alice.wait("presence", type="available", **{"from": f"{ROOM}/bob"})
            bob.tmux("send-keys", "C-n")  # the next tab
            enter(bob, "typed in the room")
            alice.wait("message", body="typed in the room", **{"from": f"{ROOM}/bob"})
            alice.say(ROOM, "read in the room")
            bob.wait("read in the room")
            enter(bob, "/message alice@localhost hello from poezio")
            alice.wait("message", body="hello from poezio", type="chat")
            alice.chat("bob@localhost", "hello, poezio")
            bob.wait("hello, poezio")
