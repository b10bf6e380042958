"""Somebody is invited from the command line, registers, logs in in one round trip and comes back with a token: XEP-0445,
XEP-0077, XEP-0388, XEP-0386, XEP-0484, over TLS and with nothing of the server's own code; and a program is let in by
OAuth (XEP-0493)."""
import base64
import hashlib
import hmac
import re
import socket
import ssl
import urllib.parse

import requests

from waddle_server import Api

AGENT = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>story</software></user-agent>"


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


class Stream:
    """A stream over direct TLS: bytes in, text out."""

    def __init__(self, server):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        host, port = server.ready["xmpps"].rsplit(":", 1)
        plain = socket.create_connection((host, int(port)), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname=server.domain)
        self.certificate = hashlib.sha256(self.socket.getpeercert(True)).digest()
        self.features = self.ask(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            f"to='{server.domain}' version='1.0'>", "</stream:features>")

    def ask(self, xml, until):
        self.socket.sendall(xml.encode())
        return self.hear(until)

    def hear(self, until):
        heard = ""
        while not re.search(until, heard):
            more = self.socket.recv(65536)
            assert more, f"closed after {heard}"
            heard += more.decode()
        return heard

    def scram_plus(self, user, password, wishes):
        """SCRAM-SHA-256-PLUS bound to the certificate, in the newer profile of SASL."""
        header, bare = b"p=tls-server-end-point,,", f"n={user},r=abcdef"
        answer = self.ask(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256-PLUS'>"
            f"<initial-response>{b64(header + bare.encode())}</initial-response>{AGENT}{wishes}</authenticate>",
            "</challenge>")
        first = base64.b64decode(re.search(">([^<]+)</challenge>", answer)[1]).decode()
        said = dict(part.split("=", 1) for part in first.split(","))
        names = re.findall("<mechanism>([^<]+)", re.search("<mechanisms.*</mechanisms>", self.features)[0])
        offered = "\x1e".join(sorted(names)) + "\x1f" + "\x1e".join(sorted(["tls-exporter", "tls-server-end-point"]))
        assert said["h"] == b64(hashlib.sha256(offered.encode()).digest()), "XEP-0474"
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(said["s"]), int(said["i"]))
        key = hmac.new(salted, b"Client Key", "sha256").digest()
        last = f"c={b64(header + self.certificate)},r={said['r']}"
        message = f"{bare},{first},{last}".encode()
        signature = hmac.new(hashlib.sha256(key).digest(), message, "sha256").digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return self.ask(f"<response xmlns='urn:xmpp:sasl:2'>{b64(last + ',p=' + b64(proof))}</response>",
                        "</stream:features>|</failure>")

    def fast(self, user, token, wishes):
        """HT-SHA-256-ENDP."""
        proof = hmac.new(token.encode(), b"Initiator" + self.certificate, "sha256").digest()
        return self.ask(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-ENDP'>"
            f"<initial-response>{b64(user.encode() + bytes(1) + proof)}</initial-response>{AGENT}"
            f"<fast xmlns='urn:xmpp:fast:0' count='1'/>{wishes}</authenticate>", "</stream:features>|</failure>")


def test_an_invited_person_registers_and_comes_back(start_server):
    server = start_server(registration="invite")
    invitation = server.json("invite", "create", "--name", "juliet")
    token = invitation["uri"].split("preauth=")[1]
    assert invitation["uri"] == f"xmpp:juliet@{server.domain}?register;preauth={token}"
    page = requests.get(server.url + urllib.parse.urlparse(invitation["url"]).path, timeout=10)
    assert page.status_code == 200 and invitation["uri"] in page.text

    phone = Stream(server)
    assert "urn:xmpp:ibr-token:0" in phone.features
    register = ("<iq type='set' id='r'><query xmlns='jabber:iq:register'>"
                "<username>juliet</username><password>secret</password></query></iq>")
    assert "not-allowed" in phone.ask(register, "</iq>")
    assert 'type="result"' in phone.ask(
        f"<iq type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>", "/>")
    assert 'type="result"' in phone.ask(register, "/>")

    bind = "<bind xmlns='urn:xmpp:bind:0'><tag>story</tag></bind>"
    want = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>"
    success = phone.scram_plus("juliet", "secret", bind + want)
    jid = re.search("<authorization-identifier>([^<]+)", success)[1]
    assert jid.startswith(f"juliet@{server.domain}/story/")
    secret = re.search(' token="([^"]+)"', success)[1]

    again = Stream(server).fast("juliet", secret, bind)
    assert f"<authorization-identifier>{jid}<" in again, again
    assert "<conflict" in phone.hear("</stream:stream>"), "the same installation has one session"
    assert "not-authorized" in Stream(server).fast("juliet", secret, bind), "the count was used"

    server.restart()
    assert "not-authorized" in Stream(server).fast("juliet", secret, bind), "over a restart too"


def test_a_program_is_let_in_by_oauth(start_server):
    server = start_server()
    server.account("romeo", "secret")
    def auth(header, token):
        message = b64(f"n,{header},\x01auth=Bearer {token}\x01\x01")
        return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='OAUTHBEARER'>{message}</auth>"

    told = Stream(server).ask(auth("", ""), "</challenge>")
    where = base64.b64decode(re.search(">([^<]+)</challenge>", told)[1]).decode()
    metadata = requests.get(re.search('"openid-configuration":"([^"]+)"', where)[1], timeout=10).json()
    back = "http://127.0.0.1/back"
    client = requests.post(metadata["registration_endpoint"], timeout=10,
                           json={"client_name": "Story", "redirect_uris": [back]}).json()
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    session = Api.login(server, "romeo", "secret")
    browser = requests.Session()
    browser.cookies.set("waddle_session", session.token)
    page = browser.get(metadata["authorization_endpoint"], timeout=10, params={
        "response_type": "code", "client_id": client["client_id"], "redirect_uri": back, "state": "x",
        "scope": "xmpp:client:normal", "code_challenge": challenge, "code_challenge_method": "S256"})
    assert "Story" in page.text, page.text
    csrf = re.search('name="csrf" value="([^"]+)"', page.text)[1]
    answer = browser.post(page.url, data={"csrf": csrf, "allow": "yes"}, timeout=10, allow_redirects=False)
    code = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["location"]).query)["code"][0]
    token = requests.post(metadata["token_endpoint"], timeout=10, data={
        "grant_type": "authorization_code", "code": code, "redirect_uri": back, "client_id": client["client_id"],
        "code_verifier": verifier}).json()["access_token"]
    login = auth(f"a=romeo@{server.domain}", token)
    assert "<success" in Stream(server).ask(login, "<success|</failure>")
    requests.post(metadata["revocation_endpoint"], data={"token": token}, timeout=10)
    assert "<challenge" in Stream(server).ask(login, "</challenge>|<success")
