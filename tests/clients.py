"""Chat and MQTT clients that nobody here wrote, under one small surface.

`Slixmpp` (STARTTLS), `JavaScript` (@xmpp/client over WebSocket) and `TokioXmpp` (direct TLS) record what they
see as events: dictionaries with `event` = online, presence, message, archived, page, offline, refused. A test
says what it waits for as keyword arguments: `client.wait("message", body="hi")`.
"""
import asyncio
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import threading
import time
import uuid
from contextlib import contextmanager

import paho.mqtt.client as paho
import slixmpp
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 30


class Refused(Exception):
    """The server refused the login; the condition is the first argument."""


class Events:
    """What a client saw, in order; waiting is for the event, never for a time."""

    def __init__(self, name):
        self.name = name
        self.seen = []
        self._changed = threading.Condition()

    def record(self, event):
        with self._changed:
            self.seen.append({**event, "at": time.monotonic()})
            self._changed.notify_all()

    def mark(self):
        """A position: events before it do not count for `wait(..., since=mark)`."""
        with self._changed:
            return len(self.seen)

    @staticmethod
    def _fits(event, kind, wanted):
        if event["event"] != kind:
            return False
        for key, value in wanted.items():
            shown = event if key == "_" else event.get(key)
            if not (value(shown) if callable(value) else shown == value):
                return False
        return True

    def find(self, kind, since=0, **wanted):
        with self._changed:
            return [event for event in self.seen[since:] if self._fits(event, kind, wanted)]

    def wait(self, kind, since=0, timeout=PATIENCE, **wanted):
        """The first event of this kind whose fields are as wanted (a value, or a function of it); `_` takes
        a function of the whole event."""
        deadline = time.monotonic() + timeout
        with self._changed:
            looked = since
            while True:
                for event in self.seen[looked:]:
                    if self._fits(event, kind, wanted):
                        return event
                looked = len(self.seen)
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    tail = "\n  ".join(map(str, self.seen[-12:]))
                    raise AssertionError(f"{self.name}: no {kind} {wanted} within {timeout} s; last seen:\n  {tail}")


class ChatClient(Events):
    """What all chat clients can do."""

    jid = None

    def send(self, **command):
        raise NotImplementedError

    def join(self, room, nick):
        """Joins and returns the outcome: the own presence with status 110, or an error presence."""
        since = self.mark()
        self.send(do="join", room=room, nick=nick)
        return self.wait("presence", since, _=lambda e: (e["from"] or "").split("/")[0] == room
                         and (e["type"] == "error" or 110 in e["statuses"]))

    def say(self, room, body):
        """Says something in a room and returns the reflection."""
        id, since = uuid.uuid4().hex, self.mark()
        self.send(do="say", room=room, body=body, id=id)
        return self.wait("message", since, type="groupchat", id=id)

    def chat(self, to, body):
        id = uuid.uuid4().hex
        self.send(do="chat", to=to, body=body, id=id)
        return id

    def leave(self, room, nick):
        since = self.mark()
        self.send(do="leave", room=room, nick=nick)
        return self.wait("presence", since, type="unavailable", **{"from": f"{room}/{nick}"})

    def archive(self, of=None, page=50):
        """The whole archive (of a room, or one's own), page by page."""
        after, items = None, []
        for _ in range(1000):
            id, since = uuid.uuid4().hex, self.mark()
            self.send(do="archive", of=of, after=after, id=id, max=page)
            done = self.wait("page", since, query=id)
            if done["error"]:
                raise Refused(done["error"])
            items += self.find("archived", since, query=id)
            if done["complete"] or not done["last"]:
                return items
            after = done["last"]
        raise AssertionError("an archive without end")

    def close(self):
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Process(ChatClient):
    """A client in a process of its own: commands and events are JSON lines."""

    def __init__(self, name, command, secret, wait_online=True):
        super().__init__(name)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
        self.process.stdin.write(secret + "\n")
        self.process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait_online:
            self._await_online()

    def _await_online(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if online := self.find("online"):
                self.jid = online[0]["jid"]
                return
            if refused := self.find("refused") or self.find("offline"):
                self.close()
                raise Refused(refused[0].get("condition"), refused[0].get("text"))
            with self._changed:
                self._changed.wait(0.2)
        self.close()
        raise AssertionError(f"{self.name} did not come online: {self.seen}")

    def _read(self):
        for line in self.process.stdout:
            self.record(json.loads(line))
        self.record({"event": "offline"})

    def send(self, **command):
        self.process.stdin.write(json.dumps({k: v for k, v in command.items() if v is not None}) + "\n")
        self.process.stdin.flush()

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.kill()
        self._reader.join(5)

    def kill(self):
        """Gone without a word, as a client whose machine loses power."""
        self.process.kill()
        self.process.wait()


def node_folder():
    """The folder with the npm packages and, beside them, our scripts."""
    output = subprocess.run([HERE / "setup.sh", "--js"], check=True, capture_output=True, text=True).stdout
    folder = pathlib.Path(output.strip().splitlines()[-1])
    for script in (HERE / "js").glob("*.mjs"):
        shutil.copy(script, folder / script.name)
    return folder


class JavaScript(Process):
    """@xmpp/client over WebSocket."""

    def __init__(self, server, username, password, resource="web"):
        url = f"ws://{server.ready['http']}/xmpp-websocket"
        super().__init__(
            f"js:{username}", ["node", node_folder() / "chat.mjs", url, server.domain, username, resource], password,
        )


class TokioXmpp(Process):
    """tokio-xmpp over direct TLS."""

    def __init__(self, server, username, password, resource="rust"):
        bins = pathlib.Path(os.environ.get("WADDLE_TEST_BINS", HERE.parent / "target" / "debug"))
        jid = f"{username}@{server.domain}/{resource}"
        super().__init__(f"tokio:{username}", [bins / "tokio_xmpp_client", server.ready["xmpps"], jid], password)


class Slixmpp(ChatClient):
    """slixmpp over STARTTLS, on a loop in a thread of its own."""

    def __init__(self, server, username, password, resource="desktop", plugins=()):
        super().__init__(f"slixmpp:{username}")
        self._plugins = ("xep_0030", "xep_0045", "xep_0199", "xep_0203", "xep_0313", "xep_0359", *plugins)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        host, port = server.ready["xmpp"].rsplit(":", 1)
        self._call(self._connect, f"{username}@{server.domain}/{resource}", password, host, int(port))
        outcome = self._await("online", "refused")
        if outcome["event"] == "refused":
            self.close()
            raise Refused(outcome["condition"])
        self.jid = outcome["jid"]

    def _await(self, *kinds):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for kind in kinds:
                if found := self.find(kind):
                    return found[0]
            with self._changed:
                self._changed.wait(0.2)
        self.close()
        raise AssertionError(f"{self.name}: none of {kinds}: {self.seen}")

    def _call(self, function, *arguments):
        async def call():
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(PATIENCE)

    def _connect(self, jid, password, host, port):
        self.xmpp = slixmpp.ClientXMPP(jid, password)
        self.xmpp.ssl_context.check_hostname = False
        self.xmpp.ssl_context.verify_mode = ssl.CERT_NONE
        self.xmpp.enable_direct_tls = False
        for plugin in self._plugins:
            self.xmpp.register_plugin(plugin)
        self.xmpp.register_handler(Callback("presences", StanzaPath("presence"), self._presence))
        self.xmpp.register_handler(Callback("messages", StanzaPath("message"), self._message))
        self.xmpp.add_event_handler("session_start", self._online)
        self.xmpp.add_event_handler("failed_all_auth", lambda _: self._refused("failed_all_auth"))
        self.xmpp.add_event_handler("failed_auth", lambda stanza: self._refused(stanza["condition"]))
        self.xmpp.add_event_handler("disconnected", lambda _: self.record({"event": "offline"}))
        self.xmpp.connect(host, port)

    def _refused(self, condition):
        self.record({"event": "refused", "condition": condition})

    def _online(self, _):
        self.xmpp.send_presence()
        self.record({"event": "online", "jid": str(self.xmpp.boundjid)})

    def _presence(self, stanza):
        item = stanza.xml.find("{*}x/{*}item")
        self.record({
            "event": "presence", "from": stanza.xml.get("from"), "type": stanza.xml.get("type", "available"),
            "statuses": [int(s.get("code")) for s in stanza.xml.findall("{http://jabber.org/protocol/muc#user}x/{*}status")],
            "affiliation": None if item is None else item.get("affiliation"),
            "role": None if item is None else item.get("role"), "error": condition(stanza.xml),
        })

    def _message(self, stanza):
        result = stanza.xml.find("{urn:xmpp:mam:2}result")
        inner = None if result is None else result.find("{urn:xmpp:forward:0}forwarded/{jabber:client}message")
        if inner is not None:
            self.record({
                **describe(inner), "event": "archived", "query": result.get("queryid"), "archive_id": result.get("id"),
            })
        else:
            self.record({**describe(stanza.xml), "event": "message"})

    def send(self, **command):
        self._call(self._obey, command)

    def publish(self, node, payload):
        """Publishes an item on a node of the own account."""
        async def publish():
            iq = self.xmpp.make_iq_set()
            pubsub = slixmpp.ET.SubElement(iq.xml, "{http://jabber.org/protocol/pubsub}pubsub")
            publish = slixmpp.ET.SubElement(pubsub, "{http://jabber.org/protocol/pubsub}publish", node=node)
            slixmpp.ET.SubElement(publish, "{http://jabber.org/protocol/pubsub}item").append(slixmpp.ET.fromstring(payload))
            await iq.send(timeout=PATIENCE)

        self._call(publish)

    def _obey(self, command):
        what, room = command["do"], command.get("room")
        if what == "join":
            # The plugin waits for the outcome; the recorded presences tell it as well.
            joining = asyncio.ensure_future(self.xmpp.plugin["xep_0045"].join_muc_wait(slixmpp.JID(room), command["nick"]))
            joining.add_done_callback(lambda done: done.cancelled() or done.exception())
        elif what == "leave":
            self.xmpp.plugin["xep_0045"].leave_muc(slixmpp.JID(room), command["nick"])
        elif what in ("say", "chat"):
            message = self.xmpp.make_message(
                mto=room or command["to"], mbody=command["body"], mtype="groupchat" if room else "chat",
            )
            message["id"] = command["id"]
            message.send()
        elif what == "subject":
            self.xmpp.make_message(mto=room, msubject=command["body"], mtype="groupchat").send()
        elif what == "archive":
            asyncio.ensure_future(self._archive(command))
        else:
            raise ValueError(what)

    async def _archive(self, command):
        iq = self.xmpp.make_iq_set(ito=command.get("of"))
        iq["mam"]["queryid"] = command["id"]
        iq["mam"]["rsm"]["max"] = str(command["max"])
        if command.get("after"):
            iq["mam"]["rsm"]["after"] = command["after"]
        page = {"event": "page", "query": command["id"], "complete": False, "last": None, "error": None}
        try:
            answer = await iq.send(timeout=PATIENCE)
            fin = answer.xml.find("{urn:xmpp:mam:2}fin")
            page["complete"] = fin.get("complete") in ("true", "1")
            page["last"] = fin.findtext("{*}set/{*}last")
        except slixmpp.exceptions.IqError as error:
            page["error"] = error.condition
        except slixmpp.exceptions.IqTimeout:
            page["error"] = "timeout"
        self.record(page)

    def close(self):
        if self._thread.is_alive():
            try:
                self._call(self._disconnect)
            finally:
                self._end()

    def _end(self):
        self._call(self._drain)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _drain(self):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _disconnect(self):
        try:
            await asyncio.wait_for(self.xmpp.disconnect(wait=2), 4)
        except asyncio.TimeoutError:
            self.xmpp.abort()

    def kill(self):
        """Gone without a word."""
        self._call(self.xmpp.abort)
        self._end()


def describe(message):
    return {
        "from": message.get("from"), "id": message.get("id"), "type": message.get("type", "normal"),
        "body": message.findtext("{jabber:client}body"), "subject": message.findtext("{jabber:client}subject"),
        "delay": next((d.get("stamp") for d in message.findall("{urn:xmpp:delay}delay")), None),
        "stanza_id": next((s.get("id") for s in message.findall("{urn:xmpp:sid:0}stanza-id")), None),
        "error": condition(message),
    }


def condition(stanza):
    error = stanza.find("{jabber:client}error")
    for child in [] if error is None else error:
        namespace, _, name = child.tag[1:].partition("}")
        if namespace == "urn:ietf:params:xml:ns:xmpp-stanzas" and name != "text":
            return name
    return None


class Mqtt(Events):
    """paho-mqtt, MQTT 5 unless told otherwise."""

    def __init__(self, server, username, password, protocol=paho.MQTTv5, client_id=None, expiry=0):
        super().__init__(f"mqtt:{username}")
        self.protocol = protocol
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=client_id or uuid.uuid4().hex, protocol=protocol,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(username, password)
        self.client.on_connect = lambda c, u, f, code, p=None: self.record(
            {"event": "connack", "code": code.value, "session_present": f.session_present})
        self.client.on_disconnect = lambda c, u, f, code, p=None: self.record({"event": "offline", "code": code.value})
        self.client.on_subscribe = lambda c, u, mid, codes, p=None: self.record(
            {"event": "suback", "mid": mid, "codes": [code.value for code in codes]})
        self.client.on_publish = lambda c, u, mid, code=None, p=None: self.record(
            {"event": "puback", "mid": mid, "code": code.value if code is not None else 0})
        self.client.on_message = lambda c, u, m: self.record(
            {"event": "message", "topic": m.topic, "payload": m.payload.decode(), "retain": bool(m.retain)})
        host, port = server.ready["mqtt"].rsplit(":", 1)
        options = {}
        if protocol == paho.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            options = {"clean_start": expiry == 0, "properties": properties}
        self.client.connect(host, int(port), **options)
        self.client.loop_start()
        code = self.wait("connack")["code"]
        if code != 0:
            self.close()
            raise Refused(code)

    def subscribe(self, filter, qos=1):
        """The SUBACK's code."""
        since = self.mark()
        _, mid = self.client.subscribe(filter, qos)
        return self.wait("suback", since, mid=mid)["codes"][0]

    def publish(self, topic, payload, qos=1, retain=False):
        """The PUBACK's code (0 for QoS 0)."""
        since = self.mark()
        sent = self.client.publish(topic, payload, qos, retain)
        return self.wait("puback", since, mid=sent.mid)["code"]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def drop(self):
        """Gone without a DISCONNECT."""
        self.client.loop_stop()
        if self.client.socket():
            self.client.socket().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextmanager
def mosquitto_sub(server, username, password, filter, *options):
    """The stock subscriber; yields Events with `message` (topic, payload) and at last `exit` (code, text)."""
    host, port = server.ready["mqtt"].rsplit(":", 1)
    events = Events(f"mosquitto_sub:{username}")
    process = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", "-h", host, "-p", port, "-u", username, "-P", password, "-t", filter, "-q", "1",
         "-F", '{"topic":"%t","hex":"%x"}', "-d", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
    )

    def read():
        for line in process.stdout:
            if line.startswith('{"topic"'):
                message = json.loads(line)
                events.record({"event": "message", "topic": message["topic"], "payload": bytes.fromhex(message["hex"]).decode()})
            else:
                # -d: "Client … received SUBACK", "Subscribed (mid: 1): 1", "received DISCONNECT (135)"
                events.record({"event": "debug", "line": line.strip()})
        events.record({"event": "exit", "code": process.wait()})

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield events
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(5)
        reader.join(5)


def mosquitto_pub(server, username, password, topic, payload, *options):
    """The stock publisher; the completed process."""
    host, port = server.ready["mqtt"].rsplit(":", 1)
    return subprocess.run(
        ["mosquitto_pub", "-h", host, "-p", port, "-u", username, "-P", password, "-t", topic, "-m", payload, *options],
        capture_output=True, text=True, timeout=PATIENCE,
    )
