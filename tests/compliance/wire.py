"""A client that speaks XML as it is written in the specifications: over TCP with STARTTLS, TLS or a WebSocket.

It keeps what it hears as text and as elements, so that a test reads like an exchange in a specification."""
import base64
import hashlib
import os
import socket
import ssl
import time
import xml.etree.ElementTree as ET

PATIENCE = 30


def context():
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE
    return found


def listener(server, name):
    """Where the server listens, as `address:port`."""
    found = server.ready[name]
    return (found if isinstance(found, str) else found[0]).split(",")[0]


def address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Ended(AssertionError):
    """The other side closed the stream."""


class Stream:
    """One XML stream over a socket."""

    def __init__(self, where, domain, namespace="jabber:client", tls=None):
        self.domain, self.namespace = domain, namespace
        self.socket = socket.create_connection(address(where), PATIENCE)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=domain)
        self.restart()

    def restart(self):
        self.parser = ET.XMLPullParser(["start", "end"])
        self.depth, self.waiting, self.raw, self.ended = 0, [], "", False
        self.send(f"<stream:stream to='{self.domain}' version='1.0' xmlns='{self.namespace}' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>")

    def send(self, xml):
        self.socket.sendall(xml.encode())

    def next(self):
        """The next element at the top level; the stream's header comes first."""
        until = time.monotonic() + PATIENCE
        while not self.waiting:
            if self.ended:
                raise Ended(self.raw[-2000:])
            self.socket.settimeout(max(0.1, until - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError(f"nothing came in {PATIENCE} s; so far {self.raw[-2000:]}") from None
            if not data:
                raise Ended(self.raw[-2000:])
            self.raw += data.decode(errors="replace")
            self.parser.feed(data)
            for event, element in self.parser.read_events():
                self.depth += 1 if event == "start" else -1
                if event == "start" and self.depth == 1:
                    self.waiting.append(element)
                elif event == "end" and self.depth == 1:
                    self.waiting.append(element)
                elif event == "end" and self.depth == 0:
                    self.ended = True
        return self.waiting.pop(0)

    def starttls(self):
        self.next()
        features = self.next()
        assert features.find("{urn:ietf:params:xml:ns:xmpp-tls}starttls") is not None, show(features)
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert self.next().tag.endswith("}proceed")
        self.socket = context().wrap_socket(self.socket, server_hostname=self.domain)
        self.restart()

    def close(self):
        self.socket.close()


def show(element):
    return ET.tostring(element, encoding="unicode")


class Client(Stream):
    """A logged-in client with a resource."""

    def __init__(self, server, name, password="secret", resource=None, direct=False, bind=True):
        kind = "xmpps" if direct else "xmpp"
        super().__init__(listener(server, kind), server.domain, tls=context() if direct else None)
        self.name, self.server = name, server
        self.bare = f"{name}@{server.domain}"
        self.count = 0
        if not direct:
            self.starttls()
        self.next()
        features = self.next()
        names = [m.text for m in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
        assert "PLAIN" in names and "SCRAM-SHA-256" in names, names
        proof = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>")
        answer = self.next()
        assert answer.tag.endswith("}success"), show(answer)
        self.restart()
        self.next()
        self.features = self.next()
        if bind:
            self.bind(resource)

    def bind(self, resource=None):
        resource = resource or f"device-{os.urandom(4).hex()}"
        answer = self.iq("set", f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>")
        self.jid = answer.find(".//{urn:ietf:params:xml:ns:xmpp-bind}jid").text
        assert self.jid == f"{self.bare}/{resource}"

    def online(self):
        self.send("<presence/>")
        self.until(lambda e: e.tag.endswith("}presence") and e.get("from") == self.jid)
        return self

    def until(self, wanted):
        """The next element that is wanted; others are forgotten."""
        while True:
            found = self.next()
            if wanted(found):
                return found

    def message(self, part=""):
        """The next message that has `part` in it."""
        return self.until(lambda e: e.tag.endswith("}message") and part in show(e))

    def request(self, kind, payload, to=None):
        """Sends a request and returns its answer, error or not."""
        self.count += 1
        mine = f"q{self.count}"
        to = f" to='{to}'" if to else ""
        self.send(f"<iq type='{kind}' id='{mine}'{to}>{payload}</iq>")
        return self.until(lambda e: e.tag.endswith("}iq") and e.get("id") == mine)

    def iq(self, kind, payload, to=None):
        """Sends a request that works."""
        answer = self.request(kind, payload, to)
        assert answer.get("type") == "result", show(answer)
        return answer

    def error(self, kind, payload, to=None):
        """Sends a request that does not; returns the error's condition."""
        answer = self.request(kind, payload, to)
        assert answer.get("type") == "error", show(answer)
        of_rfc = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
        return next(c.tag[len(of_rfc):] for e in answer if e.tag.endswith("}error") for c in e if c.tag.startswith(of_rfc))

    def disco(self, to=None):
        """Features of an address."""
        answer = self.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        return {f.get("var") for f in answer.iter("{http://jabber.org/protocol/disco#info}feature")}

    def service(self, feature):
        """The host beside the domain that has a feature."""
        answer = self.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", self.domain)
        items = [i.get("jid") for i in answer.iter("{http://jabber.org/protocol/disco#items}item")]
        return next(jid for jid in items if feature in self.disco(jid))


class Component(Stream):
    """A component that has shaken hands."""

    def __init__(self, server, host, secret):
        super().__init__(listener(server, "component"), host, namespace="jabber:component:accept")
        header = self.next()
        proof = hashlib.sha1((header.get("id") + secret).encode()).hexdigest()
        self.send(f"<handshake>{proof}</handshake>")
        assert self.next().tag == "{jabber:component:accept}handshake"


class WebSocket:
    """XMPP over WebSocket (RFC 7395), one text message an element."""

    def __init__(self, server):
        self.domain = server.domain
        self.socket = socket.create_connection(address(listener(server, "http")), PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET /xmpp-websocket HTTP/1.1\r\nHost: {server.domain}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            assert line, head
            head += line
        assert b" 101 " in head.splitlines()[0] and b"sec-websocket-protocol: xmpp" in head.lower(), head

    def send(self, xml):
        data, mask = xml.encode(), os.urandom(4)
        assert len(data) < 65536
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        self.socket.sendall(b"\x81" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def next(self):
        head = self.file.read(2)
        size = head[1] & 127
        if size >= 126:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return ET.fromstring(self.file.read(size))
