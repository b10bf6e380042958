"""A phone that lost its connection is woken: the push service is a component of its own (XEP-0114), both are slixmpp,
and nothing of the server's own code is in it (XEP-0357, XEP-0198)."""
import asyncio
import threading

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from clients import Events, Slixmpp
from waddle_server import WaddleServer

HOST = "push.localhost"
SECRET = "sesame-for-push"


class PushService(Events):
    """What an app's developer runs: a component that takes publications."""

    def __init__(self, address):
        super().__init__(HOST)
        host, port = address.rsplit(":", 1)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.loop.call_soon_threadsafe(self._connect, host, int(port))
        self.wait("ready")

    def _connect(self, host, port):
        asyncio.set_event_loop(self.loop)
        self.xmpp = slixmpp.ComponentXMPP(HOST, SECRET, host, port)
        self.xmpp.register_handler(Callback("publications", StanzaPath("iq@type=set"), self._published))
        self.xmpp.add_event_handler("session_start", lambda _: self.record({"event": "ready"}))
        self.xmpp.connect()

    def _published(self, iq):
        publish = iq.xml.find("{http://jabber.org/protocol/pubsub}pubsub/{*}publish")
        fields = {f.get("var"): f.findtext("{*}value") for f in publish.iterfind(".//{jabber:x:data}field")}
        self.record({"event": "push", "from": iq.xml.get("from"), "node": publish.get("node"), "fields": fields})
        iq.reply().send()


def test_a_lost_phone_is_woken_by_a_component(tmp_path):
    config = tmp_path / "waddle.toml"
    config.write_text(f'component_listen = "127.0.0.1:0"\npush_details = "body"\n[components]\n"{HOST}" = "{SECRET}"\n')
    config.chmod(0o600)
    server = WaddleServer(tmp_path / "pushing")
    server.arguments = ("--config", str(config))
    try:
        server.start()
        for name in ("alice", "bob"):
            server.account(name, f"{name}-password-1")
        service = PushService(server.ready["component"])
        alice = Slixmpp(server, "alice", "alice-password-1")
        phone = Slixmpp(server, "bob", "bob-password-1", "phone", plugins=("xep_0198",))

        async def enable():
            iq = phone.xmpp.make_iq_set()
            enable = slixmpp.ET.SubElement(iq.xml, "{urn:xmpp:push:0}enable")
            enable.set("jid", HOST)
            enable.set("node", "device-1")
            await iq.send(timeout=10)

        phone._call(enable)
        # The network is gone: no closing tag, no more bytes.
        phone._call(phone.xmpp.transport.abort)
        alice.chat("bob@localhost", "are you there?")
        push = service.wait("push", node="device-1")
        assert push["from"] == "localhost"
        assert push["fields"]["message-count"] == "1"
        assert push["fields"]["last-message-body"] == "are you there?"
    finally:
        server.kill()
