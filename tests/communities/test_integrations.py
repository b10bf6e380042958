"""Programs in a waddle: bots whose slash commands a stock XMPP client runs, and outgoing webhooks that other people's
library verifies (specs/integrations.md)."""
import http.server
import json
import threading
import types

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from clients import Events
from people import Stream, note, until
from waddle_server import Api

RUN = "urn:waddle:command#run"


class Receiver(Events, http.server.ThreadingHTTPServer):
    """A program of somebody's that is told things: each is kept as it came, and answered as `answers` says."""

    def __init__(self):
        Events.__init__(self, "receiver")
        self.answers = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver.answers.get(self.path, (200, None))
                if callable(answer):
                    answer = answer(json.loads(body))
                receiver.record({"event": "request", "path": self.path, "headers": headers, "body": body, "json": json.loads(body)})
                status, said = answer
                said = b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        http.server.ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def heard(receiver, path, kind, since=0, **wanted):
    """What was told at a path."""
    return receiver.wait("request", since, path=path, json=lambda j: j["type"] == kind and all(
        str(j["data"]).find(str(w)) >= 0 for w in wanted.values()))


def test_a_bot_answers_slash_commands_of_stock_clients(stage):
    waddle = stage.waddle()
    room, commands = waddle.room(), f"{waddle.path}/commands"

    def forecast(request):
        options = request["data"]["options"]
        text = f"{options['city']}: fog for {options.get('days', 1)} days"
        return 200, {"body": text, "ephemeral": options["city"] == "home"}

    with Receiver() as receiver, stage.bob.chat() as bob, stage.mona.chat() as mona:
        receiver.answers["/bot"] = forecast
        bot = stage.alice.api.ok("POST", f"{waddle.path}/bots", {
            "name": "weather", "scopes": ["read", "messages:write"], "callback_url": f"{receiver.url}/bot"}, status=(201,))
        options = [{"name": "city", "description": "Where", "required": True}, {"name": "days", "type": "number"}]
        command = {"description": "Tells the weather", "options": options, "bot": bot["id"]}
        assert stage.bob.api.request("PUT", f"{commands}/weather", command).status_code == 403
        stage.alice.api.ok("PUT", f"{commands}/weather", command, status=(200,))
        listed = lambda: {c["name"]: c["bot"] for c in stage.bob.api.ok("GET", commands)["commands"]}
        assert listed() == {"help": None, "weather": bot["id"]}
        assert stage.carl.api.request("GET", commands).status_code == 403
        bob.enter(room)
        mona.enter(room)
        # Typed by a stock client: everybody hears the answer, nobody what was typed.
        mark = mona.mark()
        bob.raw(f"<message to='{room}' type='groupchat' id='w'><body>/weather Berlin days:3</body></message>")
        told = mona.wait("message", mark, type="groupchat", body="Berlin: fog for 3 days")
        assert told["from"] == f"{room}/weather (bot)" and told["stanza_id"]
        view = waddle.message(stage.bob, told["stanza_id"])
        assert (view["author"]["kind"], view["author"]["nick"], view["body"]) == ("bot", "weather (bot)", told["body"])
        assert not mona.find("message", mark, body=lambda b: b and b.startswith("/weather"))
        asked = heard(receiver, "/bot", "interaction")
        verified = Webhook(bot["callback_secret"]).verify(asked["body"], asked["headers"])
        assert verified["data"]["user"] == "local:bob" and verified["data"]["command"] == "weather"
        assert verified["data"]["options"] == {"city": "Berlin", "days": 3}
        # For one alone: a private message, which no archive keeps.
        marks = bob.mark(), mona.mark()
        bob.raw(f"<message to='{room}' type='groupchat' id='h'><body>/weather home</body></message>")
        whispered = bob.wait("message", marks[0], body="home: fog for 1 days")
        assert (whispered["type"], whispered["from"]) == ("chat", f"{room}/weather (bot)")
        # From a form of a stock client's, and over HTTP.
        steps = bob.run(room, RUN, None, {"command": "weather"}, {"city": "Rome", "days": 2})
        assert note(steps) == "Rome: fog for 2 days"
        path = f"{waddle.path}/channels/general/commands"
        answer = stage.bob.api.ok("POST", f"{path}/weather", {"text": "Oslo"}, status=(200,))
        assert answer == {"body": "Oslo: fog for 1 days", "ephemeral": False}
        for body in ("Rome: fog for 2 days", "Oslo: fog for 1 days"):
            mona.wait("message", marks[1], body=body)
        assert not mona.find("message", marks[1], body=lambda b: b and b.startswith("home"))
        assert "home: fog" not in str([m["body"] for m in bob.archive(of=room)]) and waddle.found(stage.bob, "home") == []
        # What is wrong, whoever typed it hears alone.
        mark = bob.mark()
        bob.raw(f"<message to='{room}' type='groupchat' id='x'><body>/weather</body></message>")
        wrong = bob.wait("message", mark, type="chat", **{"from": f"{room}/commands (bot)"})
        assert "city" in wrong["body"]
        refused = stage.bob.api.request("POST", f"{path}/weather", {"text": ""})
        assert refused.status_code == 422 and "city" in refused.json()["detail"]
        assert stage.bob.api.request("POST", f"{path}/nothing", {"text": ""}).status_code == 404
        assert stage.carl.api.request("POST", f"{path}/weather", {"text": "Oslo"}).status_code == 403
        # A bot that does not answer well, and text with a slash that is no command.
        receiver.answers["/bot"] = (500, None)
        mark = bob.mark()
        bob.raw(f"<message to='{room}' type='groupchat' id='y'><body>/weather Paris</body></message>")
        assert "could not be reached" in bob.wait("message", mark, type="chat", **{"from": f"{room}/commands (bot)"})["body"]
        assert bob.say(room, "/shrug whatever")["error"] is None
        # With the bot its commands end, and the text is a text again.
        stage.alice.api.ok("DELETE", f"/bots/{bot['id']}", status=(204,))
        until(lambda: "weather" not in listed())
        assert bob.say(room, "/weather Berlin")["error"] is None


def test_a_bot_that_listens(stage):
    """A bot behind a firewall hears commands by a stream and answers later; its token does what its scopes say."""
    waddle = stage.waddle()
    room = waddle.room()
    bot = stage.alice.api.ok("POST", f"{waddle.path}/bots", {"name": "echo", "scopes": ["read", "messages:write"]}, status=(201,))
    api = Api(stage.server, bot["token"]["token"])
    api.ok("PUT", f"{waddle.path}/commands/echo", {"description": "Says it again"}, status=(200,))
    program = types.SimpleNamespace(name="echo", server=stage.server, api=api)
    with stage.bob.chat() as bob:
        bob.enter(room)
        mark = bob.mark()
        bob.raw(f"<message to='{room}' type='groupchat' id='a'><body>/echo early</body></message>")
        assert "not connected" in bob.wait("message", mark, type="chat")["body"]
        with Stream(program, {}, "/bots/@me/interactions") as stream:
            assert stream.status == 200
            mark = bob.mark()
            bob.raw(f"<message to='{room}' type='groupchat' id='b'><body>/echo hello there</body></message>")
            told = stream.wait("event", type="interaction")["data"]
            assert (told["text"], told["nick"]) == ("hello there", "bob")
            api.ok("POST", f"/interactions/{told['id']}/answers", {"body": told["text"]}, status=(204,))
            said = bob.wait("message", mark, type="groupchat", body="hello there")
            assert said["from"] == f"{room}/echo (bot)"
            api.ok("POST", f"/interactions/{told['id']}/answers", {"body": "only you", "ephemeral": True}, status=(204,))
            bob.wait("message", mark, type="chat", body="only you")
            # It speaks as itself, like anybody; what its scopes do not say it does not do.
            made = waddle_says(api, waddle, "I am a program")
            assert made["author"]["kind"] == "bot"
            bob.wait("message", mark, stanza_id=made["id"])
            for method, path in (("PATCH", waddle.path), ("POST", f"{waddle.path}/purges"), ("GET", f"{waddle.path}/audit")):
                assert api.request(method, path, None if method == "GET" else {}).status_code == 403
            assert stage.bob.api.request("POST", f"/interactions/{told['id']}/answers", {"body": "x"}).status_code == 403
            # Thrown out like anybody, it hears and says nothing more.
            stage.mona.api.ok("DELETE", f"{waddle.path}/members/bot-echo?how=kicked", status=(204,))
            assert api.request("GET", f"{waddle.at()}/messages").status_code == 403
            mark = bob.mark()
            bob.raw(f"<message to='{room}' type='groupchat' id='c'><body>/echo secret</body></message>")
            bob.say(room, "fence")
            assert not stream.find("event", text=lambda t: "secret" in t)


def waddle_says(api, waddle, body):
    return api.ok("POST", f"{waddle.at()}/messages", {"body": body}, status=(201,))


def test_outgoing_webhooks_are_verified_by_their_library(stage):
    waddle = stage.waddle()
    room, hooks = waddle.room(), f"{waddle.path}/outgoing-webhooks"
    with Receiver() as receiver, stage.bob.chat() as bob:
        body = {"name": "mirror", "url": f"{receiver.url}/hook", "events": ["message.*", "member.*"]}
        assert stage.bob.api.request("POST", hooks, body).status_code == 403
        for bad in ({"url": "ftp://example.org/x"}, {"url": "https://user:word@example.org/"}, {"events": ["nonsense"]}, {"events": []}):
            assert stage.alice.api.request("POST", hooks, body | bad).status_code == 422, bad
        made = stage.alice.api.ok("POST", hooks, body, status=(201,))
        secret = made["secret"]
        assert secret.startswith("whsec_") and "secret" not in stage.alice.api.ok("GET", f"{hooks}/{made['id']}")
        stage.alice.api.ok("POST", f"{hooks}/{made['id']}/test", status=(204,))
        ping = heard(receiver, "/hook", "webhook.ping")
        assert Webhook(secret).verify(ping["body"], ping["headers"])["type"] == "webhook.ping"
        # What a stock client says, and takes back.
        bob.enter(room)
        said = bob.say(room, "look, <pearls> & öñ 🐧")
        told = heard(receiver, "/hook", "message.created", id=said["stanza_id"])
        event = Webhook(secret).verify(told["body"], told["headers"])
        assert event["waddle_id"] == waddle.id and event["data"]["channel"]["slug"] == "general", event
        message = waddle.message(stage.bob, said["stanza_id"])
        assert event["data"]["message"]["body"] == message["body"] == said["body"]
        assert event["data"]["message"]["author"]["user"] == "local:bob"
        # Nobody changes or repeats it unnoticed.
        for body, headers, key in (
            (told["body"].replace(b"look", b"loot"), told["headers"], secret),
            (told["body"], told["headers"] | {"webhook-timestamp": "1600000000"}, secret),
            (told["body"], told["headers"] | {"webhook-id": "other"}, secret),
            (told["body"], told["headers"], "whsec_" + "A" * 32),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(key).verify(body, headers)
        bob.tell(room, None, f"<retract xmlns='urn:xmpp:message-retract:1' id='{said['stanza_id']}'/><store xmlns='urn:xmpp:hints'/>")
        gone = heard(receiver, "/hook", "message.deleted", id=said["stanza_id"])
        assert "pearls" not in gone["body"].decode() and gone["json"]["data"]["message_id"] == said["stanza_id"]
        # The audit log's, for who may read that.
        stage.mona.api.ok("PUT", f"{waddle.path}/timeouts/bob", {"expires_at": "2099-01-01T00:00:00Z"}, status=(422,))
        stage.alice.api.ok("POST", f"{waddle.path}/members", {"user": "carl"}, status=(201,))
        heard(receiver, "/hook", "member.add", who="carl")
        stage.alice.api.ok("DELETE", f"{waddle.path}/members/carl", status=(204,))
        heard(receiver, "/hook", "member.remove", who="carl")
        # After a rotation both secrets verify, so that nothing is missed meanwhile.
        fresh = stage.alice.api.ok("POST", f"{hooks}/{made['id']}/rotate", status=(200,))["secret"]
        mark = receiver.mark()
        again = waddle.say(stage.bob, "signed twice")
        told = heard(receiver, "/hook", "message.created", mark, id=again["id"])
        assert len(told["headers"]["webhook-signature"].split()) == 2 and fresh != secret
        for key in (secret, fresh):
            assert Webhook(key).verify(told["body"], told["headers"])["data"]["message"]["body"] == "signed twice"
        # A receiver that wants nothing more is asked no more; the log and its maker are told.
        receiver.answers["/hook"] = (410, None)
        with stage.alice.chat() as alice:
            mark = alice.mark()
            waddle.say(stage.bob, "anybody?")
            shown = until(lambda: (h := stage.alice.api.ok("GET", f"{hooks}/{made['id']}")) and not h["enabled"] and h)
            assert shown["disabled_why"]
            alice.wait("message", mark, body=lambda b: b and "mirror" in b, **{"from": stage.server.domain})
        mark = receiver.mark()
        waddle.say(stage.bob, "nobody")
        stage.alice.api.ok("DELETE", f"{hooks}/{made['id']}", status=(204,))
        assert stage.alice.api.request("GET", f"{hooks}/{made['id']}").status_code == 404
        assert not receiver.find("request", mark)


def test_an_outgoing_webhook_is_told_what_its_maker_may_see(stage):
    """Only the channels that whoever set it up may read; nothing at all when they lose the right."""
    waddle = stage.waddle()
    role = stage.alice.api.ok("POST", f"{waddle.path}/roles", {"name": "Hooks", "permissions": ["manage_webhooks"]}, status=(201,))
    stage.alice.api.ok("PUT", f"{waddle.path}/roles/{role['id']}/members/bob")
    nest = stage.alice.api.ok("POST", f"{waddle.path}/channels", {"name": "nest", "private": True}, status=(201,))
    with Receiver() as receiver, stage.alice.chat() as alice:
        made = stage.bob.api.ok("POST", f"{waddle.path}/outgoing-webhooks", {
            "name": "bobs", "url": f"{receiver.url}/hook", "events": ["*"]}, status=(201,))
        alice.enter(nest["jid"])
        alice.enter(waddle.room())
        alice.say(nest["jid"], "a secret")
        alice.say(waddle.room(), "in the open")
        heard(receiver, "/hook", "message.created", text="in the open")
        stage.alice.api.ok("DELETE", f"{waddle.path}/roles/{role['id']}/members/bob", status=(204,))
        until(lambda: not stage.alice.api.ok("GET", f"{waddle.path}/outgoing-webhooks/{made['id']}")["enabled"]
              or alice.say(waddle.room(), "after") and False)
        told = "".join(r["body"].decode() for r in receiver.find("request"))
        assert "a secret" not in told and nest["id"] not in told and "member." not in told and "role." not in told
