"""XEP-0479 (2023), Advanced Server: one exchange for each specification that the suites Core, Web, IM and Mobile require.

Each test names its category, its feature and the specification; `specs/compliance.md` has a row for each, and the last
test holds the two together."""
import base64
import hashlib
import os
import pathlib
import ssl
import sys

import pytest
import requests

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from waddle_server import WaddleServer  # noqa: E402
from wire import Client, Component, Stream, WebSocket, context, listener, show  # noqa: E402

PAGE = HERE.parent.parent / "specs" / "compliance.md"
BRIDGE = "bridge.localhost"
ROWS = []


def suite(category, feature, *specifications):
    """Notes a row of the table."""
    def note(test):
        ROWS.extend((category, feature, s, test.__name__) for s in specifications)
        return test
    return note


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("compliance")
    settings = home / "waddle.toml"
    settings.write_text(f'[components]\n"{BRIDGE}" = "sesame"\n')
    found = WaddleServer(home / "data", rate_limits="off")
    found.addresses["component"] = "127.0.0.1:0"
    found.arguments = ["--config", str(settings)]
    found.start()
    for name in ("alice", "bob"):
        found.account(name, "secret")
    yield found
    found.kill()


def subscribe(a, b):
    """Both see each other's presence."""
    for one, other in ((a, b), (b, a)):
        one.send(f"<presence type='subscribed' to='{other.bare}'/>")
        one.send(f"<presence type='subscribe' to='{other.bare}'/>")
    for one, other in ((a, b), (b, a)):
        one.until(lambda e: e.get("type") is None and (e.get("from") or "").startswith(other.bare + "/"))


@suite("Core", "Core features", "RFC 6120")
def test_core_features(server):
    c = Client(server, "alice")
    assert c.request("get", "<a xmlns='urn:x'/><b xmlns='urn:x'/>").get("type") == "error"
    c.send("<message from='bob@localhost' to='alice@localhost'/>")
    assert c.until(lambda e: e.tag.endswith("}error"))[0].tag == "{urn:ietf:params:xml:ns:xmpp-streams}invalid-from"


@suite("Core", "TLS", "RFC 7590")
def test_tls(server):
    s = Stream(listener(server, "xmpp"), "localhost")
    s.next()
    features = s.next()
    assert features.find("{urn:ietf:params:xml:ns:xmpp-tls}starttls/{urn:ietf:params:xml:ns:xmpp-tls}required") is not None
    assert features.find("{urn:ietf:params:xml:ns:xmpp-sasl}mechanisms") is None, "no login before TLS"
    s.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert s.next().tag.endswith("}proceed")
    old = context()
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        old.wrap_socket(s.socket, server_hostname="localhost")
    assert Client(server, "alice").socket.version() in ("TLSv1.2", "TLSv1.3")


@suite("Core", "Direct TLS", "XEP-0368")
def test_direct_tls(server):
    tls = context()
    tls.set_alpn_protocols(["xmpp-client"])
    s = Stream(listener(server, "xmpps"), "localhost", tls=tls)
    assert s.socket.selected_alpn_protocol() == "xmpp-client"
    Client(server, "alice", direct=True)


@suite("Core", "Feature discovery", "XEP-0030")
def test_feature_discovery(server):
    c = Client(server, "alice")
    assert {"http://jabber.org/protocol/disco#info", "urn:xmpp:ping"} <= c.disco("localhost")
    unknown = "<query xmlns='http://jabber.org/protocol/disco#info' node='no-such-node'/>"
    assert c.error("get", unknown, "localhost") == "item-not-found"


@suite("Core", "Feature broadcasts", "XEP-0115")
def test_feature_broadcasts(server):
    c = Client(server, "alice")
    caps = c.features.find("{http://jabber.org/protocol/caps}c")
    node = f"{caps.get('node')}#{caps.get('ver')}"
    answer = c.iq("get", f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>", "localhost")
    info = "{http://jabber.org/protocol/disco#info}"
    text = "".join(sorted(f"{i.get('category')}/{i.get('type')}/{i.get('{http://www.w3.org/XML/1998/namespace}lang') or ''}/"
                          f"{i.get('name') or ''}<" for i in answer.iter(info + "identity")))
    text += "".join(sorted(f.get("var") + "<" for f in answer.iter(info + "feature")))
    data = "{jabber:x:data}"
    forms = []
    for x in answer.iter(data + "x"):
        fields = {f.get("var"): sorted(v.text or "" for v in f.iter(data + "value")) for f in x.iter(data + "field")}
        kind = fields.pop("FORM_TYPE")[0]
        forms.append(kind + "<" + "".join(f"{var}<" + "".join(v + "<" for v in fields[var]) for var in sorted(fields)))
    text += "".join(sorted(forms))
    assert base64.b64encode(hashlib.sha1(text.encode()).digest()).decode() == caps.get("ver")


@suite("Core", "Server extensibility", "XEP-0114")
def test_server_extensibility(server):
    bridge = Component(server, BRIDGE, "sesame")
    c = Client(server, "alice").online()
    c.send(f"<message to='somebody@{BRIDGE}' type='chat'><body>over there</body></message>")
    heard = bridge.next()
    assert heard.tag == "{jabber:component:accept}message" and heard.get("from") == c.jid, show(heard)
    bridge.send(f"<message from='somebody@{BRIDGE}' to='{c.bare}' type='chat'><body>back here</body></message>")
    assert c.message("back here").get("from") == f"somebody@{BRIDGE}"
    bridge.close()


@suite("Core", "Event publishing", "XEP-0163")
def test_event_publishing(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    subscribe(a, b)
    b.send("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='"
           + caps_of(["http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/tune+notify"]) + "'/></presence>")
    answer_caps(b, ["http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/tune+notify"])
    tune = "<tune xmlns='http://jabber.org/protocol/tune'><title>Yesterday</title></tune>"
    a.iq("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/tune'>"
         f"<item id='current'>{tune}</item></publish></pubsub>")
    assert b.message("Yesterday").get("from") == a.bare


def caps_of(features):
    text = "client/pc//test<" + "".join(f + "<" for f in sorted(features))
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def answer_caps(client, features):
    asked = client.until(lambda e: e.get("type") == "get" and "disco#info" in show(e))
    node = asked[0].get("node")
    found = "".join(f"<feature var='{f}'/>" for f in features)
    client.send(f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>"
                f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>"
                f"<identity category='client' type='pc' name='test'/>{found}</query></iq>")


@suite("Web", "Web connection mechanisms", "RFC 7395")
def test_websocket(server):
    w = WebSocket(server)
    w.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
    assert w.next().tag == "{urn:ietf:params:xml:ns:xmpp-framing}open"
    assert w.next().tag == "{http://etherx.jabber.org/streams}features"
    w.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    assert w.next().tag == "{urn:ietf:params:xml:ns:xmpp-framing}close"


@suite("Web", "Web connection mechanisms", "XEP-0206", "XEP-0124")
def test_bosh(server):
    body = ("<body content='text/xml; charset=utf-8' hold='1' wait='10' rid='1573741820' to='localhost' ver='1.6' "
            "xml:lang='en' xmpp:version='1.0' xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh'/>")
    answer = requests.post(f"{server.url}/http-bind", data=body, headers={"Content-Type": "text/xml; charset=utf-8"}, timeout=15)
    assert answer.status_code == 200, answer.text
    assert "sid=" in answer.text and "mechanisms" in answer.text, answer.text


@suite("IM", "Core features", "RFC 6121")
def test_im_core(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    a.iq("get", "<query xmlns='jabber:iq:roster'/>")
    a.iq("set", "<query xmlns='jabber:iq:roster'><item jid='carol@localhost' name='Carol'/></query>")
    subscribe(a, b)
    a.send(f"<message to='{b.bare}' type='chat'><body>hi Bob</body></message>")
    assert b.message("hi Bob").get("from") == a.jid
    answer = a.iq("get", "<query xmlns='jabber:iq:roster'/>")
    states = {i.get("jid"): i.get("subscription") for i in answer.iter("{jabber:iq:roster}item")}
    assert states == {"carol@localhost": "none", b.bare: "both"}


def publish(client, node, item, payload, options=""):
    return client.iq("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='{item}'>"
                     f"{payload}</item></publish>{options}</pubsub>")


PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


@suite("IM", "User avatar compatibility", "XEP-0398", "XEP-0153")
def test_avatars(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    subscribe(a, b)
    digest = hashlib.sha1(PNG).hexdigest()
    assert "urn:xmpp:pep-vcard-conversion:0" in a.disco()
    publish(a, "urn:xmpp:avatar:data", digest, f"<data xmlns='urn:xmpp:avatar:data'>{base64.b64encode(PNG).decode()}</data>")
    publish(a, "urn:xmpp:avatar:metadata", digest, "<metadata xmlns='urn:xmpp:avatar:metadata'>"
            f"<info id='{digest}' bytes='{len(PNG)}' type='image/png' width='1' height='1'/></metadata>")
    vcard = b.iq("get", "<vCard xmlns='vcard-temp'/>", a.bare)
    found = "".join(vcard.find(".//{vcard-temp}BINVAL").text.split())
    assert base64.b64decode(found) == PNG
    a.send("<presence><status>now with a picture</status></presence>")
    seen = b.until(lambda e: e.tag.endswith("}presence") and "picture" in show(e))
    photo = seen.find(".//{vcard-temp:x:update}photo")
    assert photo is not None and photo.text == digest, show(seen)


@suite("IM", "vcard-temp", "XEP-0054")
def test_vcard(server):
    a, b = Client(server, "alice"), Client(server, "bob")
    a.iq("set", "<vCard xmlns='vcard-temp'><FN>Alice Liddell</FN></vCard>")
    assert b.iq("get", "<vCard xmlns='vcard-temp'/>", a.bare).find(".//{vcard-temp}FN").text == "Alice Liddell"
    assert b.error("set", "<vCard xmlns='vcard-temp'><FN>Mallory</FN></vCard>", a.bare) in ("forbidden", "not-allowed")


@suite("IM", "Outbound message synchronization", "XEP-0280")
def test_carbons(server):
    one, two = Client(server, "alice").online(), Client(server, "alice", resource="second").online()
    bob = Client(server, "bob").online()
    two.iq("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    one.send(f"<message to='{bob.jid}' type='chat'><body>from one</body></message>")
    copy = two.message("from one")
    assert copy.find("{urn:xmpp:carbons:2}sent/{urn:xmpp:forward:0}forwarded") is not None


@suite("IM", "User blocking", "XEP-0191")
def test_blocking(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    a.iq("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{b.bare}'/></block>")
    b.send(f"<message to='{a.bare}' type='chat' id='m1'><body>psst</body></message>")
    assert b.until(lambda e: e.get("id") == "m1").get("type") == "error"
    listed = a.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    assert [i.get("jid") for i in listed.iter("{urn:xmpp:blocking}item")] == [b.bare]
    a.iq("set", "<unblock xmlns='urn:xmpp:blocking'/>")
    b.send(f"<message to='{a.bare}' type='chat'><body>again</body></message>")
    a.message("again")


def join(client, room, nick):
    client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    return client.until(lambda e: e.get("from") == f"{room}/{nick}" and ("110" in show(e) or e.get("type") == "error"))


@suite("IM", "Group chat", "XEP-0045", "XEP-0249")
def test_group_chat(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    room = "tea@" + a.service("http://jabber.org/protocol/muc")
    assert "code='201'" in show(join(a, room, "Alice")).replace('"', "'")
    a.iq("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>", room)
    a.send(f"<message to='{b.bare}'><x xmlns='jabber:x:conference' jid='{room}'/></message>")
    assert b.message("jabber:x:conference").find("{jabber:x:conference}x").get("jid") == room
    join(b, room, "Bob")
    b.send(f"<message to='{room}' type='groupchat'><body>is there cake?</body></message>")
    assert a.message("is there cake?").get("from") == f"{room}/Bob"


@suite("IM", "Advanced group chat", "XEP-0313", "XEP-0410")
def test_room_archive_and_self_ping(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    room = "attic@" + a.service("http://jabber.org/protocol/muc")
    join(a, room, "Alice")
    a.iq("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>", room)
    a.iq("get", "<ping xmlns='urn:xmpp:ping'/>", f"{room}/Alice")
    assert b.error("get", "<ping xmlns='urn:xmpp:ping'/>", f"{room}/Alice") == "not-acceptable"
    a.send(f"<message to='{room}' type='groupchat'><body>kept</body></message>")
    a.message("kept")
    assert "urn:xmpp:mam:2" in a.disco(room)
    a.send(f"<iq type='set' id='mam' to='{room}'><query xmlns='urn:xmpp:mam:2' queryid='f'/></iq>")
    assert "kept" in show(a.message("urn:xmpp:mam:2"))
    a.until(lambda e: e.get("id") == "mam")


@suite("IM", "Advanced group chat", "XEP-0402", "XEP-0048")
def test_bookmarks(server):
    a = Client(server, "alice").online()
    conference = "<conference xmlns='urn:xmpp:bookmarks:1' name='Tea' autojoin='true'><nick>Alice</nick></conference>"
    options = ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
               "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
               "<field var='pubsub#persist_items'><value>true</value></field><field var='pubsub#max_items'><value>max</value></field>"
               "<field var='pubsub#send_last_published_item'><value>never</value></field>"
               "<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>")
    publish(a, "urn:xmpp:bookmarks:1", "tea@muc.localhost", conference, options)
    items = a.iq("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>")
    assert [i.get("id") for i in items.iter("{http://jabber.org/protocol/pubsub}item")] == ["tea@muc.localhost"]
    assert any(f.startswith("urn:xmpp:bookmarks:1#compat") for f in a.disco()), "old clients see the same bookmarks"
    legacy = a.iq("get", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>")
    assert legacy.find(".//{storage:bookmarks}conference").get("jid") == "tea@muc.localhost"


@suite("IM", "Persistent storage of private data via PubSub", "XEP-0223")
def test_private_pubsub(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    subscribe(a, b)
    options = ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
               "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
               "<field var='pubsub#persist_items'><value>true</value></field>"
               "<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>")
    publish(a, "urn:test:diary", "current", "<note xmlns='urn:test'>mine</note>", options)
    ask = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:test:diary'/></pubsub>"
    assert "mine" in show(a.iq("get", ask))
    assert b.error("get", ask, a.bare) in ("not-allowed", "forbidden", "item-not-found")


@suite("IM", "Private XML storage", "XEP-0049")
def test_private_xml(server):
    a = Client(server, "alice")
    a.iq("set", "<query xmlns='jabber:iq:private'><prefs xmlns='urn:test:prefs'><theme>dark</theme></prefs></query>")
    answer = a.iq("get", "<query xmlns='jabber:iq:private'><prefs xmlns='urn:test:prefs'/></query>")
    assert answer.find(".//{urn:test:prefs}theme").text == "dark"
    assert a.error("get", "<query xmlns='jabber:iq:private'><prefs xmlns='urn:test:prefs'/></query>", "bob@localhost")


def resume(server):
    a = Client(server, "alice", resource=None)
    a.online()
    a.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    enabled = a.until(lambda e: e.tag == "{urn:xmpp:sm:3}enabled")
    a.close()
    bob = Client(server, "bob").online()
    bob.send(f"<message to='{a.bare}' type='chat'><body>are you there?</body></message>")
    again = Client(server, "alice", bind=False)
    again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.get('id')}' h='0'/>")
    assert again.until(lambda e: e.tag.startswith("{urn:xmpp:sm:3}")).tag == "{urn:xmpp:sm:3}resumed"
    again.message("are you there?")
    again.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert again.until(lambda e: e.tag == "{urn:xmpp:sm:3}a").get("h").isdigit()


@suite("IM", "Stream management", "XEP-0198")
def test_stream_management(server):
    resume(server)


@suite("IM", "History storage and retrieval", "XEP-0313")
def test_history(server):
    a, b = Client(server, "alice").online(), Client(server, "bob").online()
    a.send(f"<message to='{b.bare}' type='chat'><body>remember this</body></message>")
    b.message("remember this")
    assert "urn:xmpp:mam:2" in a.disco()
    a.send("<iq type='set' id='mam'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>5</max>"
           "<before/></set></query></iq>")
    a.message("remember this")
    fin = a.until(lambda e: e.get("id") == "mam")
    assert fin.find("{urn:xmpp:mam:2}fin/{http://jabber.org/protocol/rsm}set/{http://jabber.org/protocol/rsm}last") is not None


@suite("IM", "File upload", "XEP-0363")
def test_file_upload(server):
    a = Client(server, "alice")
    service = a.service("urn:xmpp:http:upload:0")
    slot = a.iq("get", "<request xmlns='urn:xmpp:http:upload:0' filename='très cool.txt' size='5' content-type='text/plain'/>", service)
    upload = "{urn:xmpp:http:upload:0}"
    put, get = slot.find(f".//{upload}put"), slot.find(f".//{upload}get")
    headers = {h.get("name"): h.text for h in put.iter(upload + "header")}
    answer = requests.put(put.get("url"), data=b"hello", headers=headers | {"Content-Type": "text/plain"}, timeout=10, verify=False)
    assert answer.status_code == 201, answer.text
    assert requests.get(get.get("url"), timeout=10, verify=False).content == b"hello"
    huge = "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='99999999999999'/>"
    assert a.error("get", huge, service) == "not-acceptable"


@suite("Mobile", "Stream management", "XEP-0198")
def test_mobile_stream_management(server):
    resume(server)


@suite("Mobile", "Client state indication", "XEP-0352")
def test_client_state(server):
    a, b = Client(server, "alice", resource=None).online(), Client(server, "bob").online()
    assert a.features.find("{urn:xmpp:csi:0}csi") is not None
    subscribe(a, b)
    a.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    a.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost")
    b.send("<presence><status>can wait</status></presence>")
    b.send(f"<message to='{a.bare}' type='chat'><body>cannot wait</body></message>")
    a.message("cannot wait")
    b.send("<presence><status>waits too</status></presence>")
    a.send("<active xmlns='urn:xmpp:csi:0'/>")
    a.until(lambda e: "waits too" in show(e))


@suite("Mobile", "Third party push notifications", "XEP-0357")
def test_push(server):
    app = Component(server, BRIDGE, "sesame")
    a = Client(server, "alice", resource=None).online()
    assert "urn:xmpp:push:0" in a.disco()
    a.iq("set", f"<enable xmlns='urn:xmpp:push:0' jid='{BRIDGE}' node='yxs32uqsflafdk3iuqo'/>")
    a.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    a.until(lambda e: e.tag == "{urn:xmpp:sm:3}enabled")
    a.close()
    b = Client(server, "bob").online()
    b.send("<message to='alice@localhost' type='chat'><body>wake up</body></message>")
    while True:
        heard = app.next()
        if "urn:xmpp:push:0" in show(heard):
            break
    assert "yxs32uqsflafdk3iuqo" in show(heard)
    again = Client(server, "alice", resource=None)
    again.iq("set", f"<disable xmlns='urn:xmpp:push:0' jid='{BRIDGE}'/>")
    app.close()


def page():
    lines = ["# Compliance", "",
             "XEP-0479 (XMPP Compliance Suites 2023), level *Advanced Server*: what each suite requires, and the test that "
             "tries it against a running server (`tests/compliance/test_suites.py`, which generates this page: "
             "`UPDATE=1 pytest tests/compliance`).", "",
             "| suite | feature | specification | test |", "|---|---|---|---|"]
    lines += [f"| {category} | {feature} | {specification} | `{test}` |" for category, feature, specification, test in ROWS]
    return "\n".join(lines) + "\n"


# What XEP-0479 (2023-05-04) requires of an advanced server; N/A and "no" are left out.
REQUIRED = {
    "Core": "RFC 6120, RFC 7590, XEP-0368, XEP-0030, XEP-0115, XEP-0114, XEP-0163",
    "Web": "RFC 7395, XEP-0206",
    "IM": "RFC 6121, XEP-0398, XEP-0153, XEP-0054, XEP-0280, XEP-0191, XEP-0045, XEP-0249, XEP-0048, XEP-0313, XEP-0402, "
          "XEP-0410, XEP-0223, XEP-0049, XEP-0198, XEP-0363",
    "Mobile": "XEP-0198, XEP-0352, XEP-0357",
}


def test_every_required_specification_has_a_test_and_the_page_is_current():
    for category, required in REQUIRED.items():
        tried = {specification for c, _, specification, _ in ROWS if c == category}
        assert set(required.split(", ")) <= tried, category
    if os.environ.get("UPDATE"):
        PAGE.write_text(page())
    assert PAGE.exists() and PAGE.read_text() == page(), "run UPDATE=1 pytest tests/compliance"
