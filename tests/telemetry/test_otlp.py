"""Traces and metrics: real OTLP from a busy server, the same figures at /metrics, nothing secret in either, and
every one of them described in specs/telemetry.md."""
import base64
import pathlib
import re
import uuid

import pytest
import requests

from clients import JavaScript, Mqtt, Refused, Slixmpp
from collector import Collector
from waddle_server import Api

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "a password nobody may see 7319"
ROOM_BODY = "what is said in a room 8842"
CHAT_BODY = "what is said to one person 2290"
PAYLOAD = '{"value": 21.507319, "unit": "°C"}'


@pytest.fixture
def traced(start_server, monkeypatch):
    """Starts a server whose collector is given; without one it has no endpoint."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")

    def start(collector=None, **settings):
        if collector:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        return start_server(rate_limits="off", **settings)

    return start


class Busy:
    """A day in a server's life; `secrets` is what must not be seen anywhere afterwards."""

    def __init__(self, server):
        self.server = server
        self.room = server.room("penguins", "general")
        for name in ("alice", "bob"):
            server.account(name, PASSWORD)
        server.command("waddle", "create", "penguins", "--owner", "alice")
        server.command("waddle", "add-member", "penguins", "bob")
        server.command("channel", "create", "penguins", "sensors")
        self.device = server.json("device", "create", "penguins", "kitchen", "--topic", "home/sensors")
        server.command("feed", "bind", "penguins", "sensors", "home/sensors/#")
        self.api = Api.login(server, "bob", PASSWORD)
        self.token = self.api.xmpp_token()["token"]
        with (
            Slixmpp(server, "alice", PASSWORD) as alice,
            JavaScript(server, "bob", self.token) as bob,
            Mqtt(server, "bob@localhost/penguins", self.token, expiry=60) as reader,
        ):
            self.alice, self.bob = alice.jid, bob.jid
            for client, nick in ((alice, "alice"), (bob, "bob")):
                assert client.join(self.room, nick)["error"] is None
            assert alice.join(server.room("penguins", "sensors"), "alice")["error"] is None
            self.said = alice.say(self.room, ROOM_BODY)
            bob.wait("message", body=ROOM_BODY)
            bob.chat(alice.jid, CHAT_BODY)
            alice.wait("message", body=CHAT_BODY)
            assert alice.archive(of=self.room)
            alice.publish("http://jabber.org/protocol/mood", "<mood xmlns='http://jabber.org/protocol/mood'><calm/></mood>")
            assert reader.subscribe("home/sensors/#") == 1
            with Mqtt(server, self.device["username"], self.device["password"]) as sensor:
                assert sensor.publish("home/sensors/temperature/kitchen", PAYLOAD, retain=True) < 0x80
                assert sensor.publish("home/lights/kitchen", PAYLOAD) == 0x87
            reader.wait("message", payload=PAYLOAD)
            alice.wait("message", body=lambda b: b is not None and "kitchen" in b)
            with pytest.raises(Refused):
                Slixmpp(server, "alice", PASSWORD + "x")
            self.live = requests.get(f"{server.url}/metrics", timeout=5).text
        self.secrets = [
            PASSWORD, self.token, self.api.token, self.device["password"], ROOM_BODY, CHAT_BODY, "21.507319",
            base64.b64encode(f"\0bob\0{self.token}".encode()).decode(),
        ]

    def closed(self, text):
        return [secret for secret in self.secrets if secret in text]


def prometheus(text):
    """{(name, frozenset of labels): value} of Prometheus' text format."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line).groups()
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
            found[name, frozenset(labels.items())] = float(value)
    return found


def scraped(figures, name, **labels):
    """The sum of a metric's values with at least these labels."""
    values = [v for (n, l), v in figures.items() if n == name and labels.items() <= dict(l).items()]
    assert values, f"no {name} {labels} at /metrics"
    return sum(values)


def test_traces_and_metrics_arrive(traced):
    with Collector() as collector:
        server = traced(collector, trace_ratio="1", log="debug")
        busy = Busy(server)

        for jid, transport in ((busy.alice, "tcp"), (busy.bob, "websocket")):
            life = collector.span("xmpp.connection.lifecycle", jid=jid, client_ip="127.0.0.1", transport=transport)
            assert 0 < life["seconds"] < 60
        collector.span("xmpp.stanza.process", stanza_type="message", **{"from": busy.alice, "to": busy.room})
        collector.span("xmpp.stanza.process", stanza_type="message", **{"from": busy.bob, "to": busy.alice})
        collector.span("xmpp.stanza.process", stanza_type="presence", **{"from": busy.bob, "to": f"{busy.room}/bob"})
        collector.span("xmpp.stanza.process", stanza_type="iq", **{"from": busy.alice, "to": busy.room})
        collector.span(
            "xmpp.muc.message", room_jid=busy.room, message_id=busy.said["stanza_id"],
            **{"from": lambda jid: jid.split("/")[0] == "alice@localhost"})
        collector.span("mqtt.publish", topic="home/sensors/temperature/kitchen", qos=1, messages=1)
        collector.span("feed.post")

        seen = collector.mark()
        for transport in ("tcp", "websocket"):
            collector.metric("xmpp.connections.active", transport=transport)
            collector.metric("xmpp.connections.active", seen, value=lambda v: v == 0, transport=transport)
        for type in ("message", "presence", "iq"):
            for direction in ("in", "out"):
                collector.metric("xmpp.stanzas.processed", type=type, direction=direction)
            collector.metric("xmpp.stanza.latency", type=type)
        collector.metric("mqtt.messages.processed", direction="in")
        collector.metric("mqtt.messages.processed", direction="out")
        collector.metric("mqtt.requests.refused", kind="publish")
        collector.metric("mqtt.commit.latency")
        collector.metric("storage.commits", database="server", result="ok")
        collector.metric("storage.commits", database="waddle", result="ok")
        collector.metric("storage.commit.latency", database="waddle")
        collector.metric("permission.checks", decision="allowed")
        collector.metric("permission.checks", decision="denied")
        collector.metric("xmpp.muc.messages", value=lambda v: v >= 2)
        collector.metric("feed.lines")
        collector.metric("identity.logins", protocol="http", mechanism="password")
        collector.wait("metric", name="identity.logins.failed", attributes=lambda a: a["protocol"] == "xmpp")

        figures = prometheus(requests.get(f"{server.url}/metrics", timeout=5).text)
        assert scraped(figures, "xmpp_stanzas_processed_total", type="message", direction="in") >= 2
        assert scraped(figures, "xmpp_stanza_latency_seconds_count", type="message") >= 2
        documented(collector, busy.live)

        server.stop()
        assert collector.resources and all(r["service.name"] == "waddle" for r in collector.resources)
        log = server.log()
        assert not busy.closed(log), busy.closed(log)
        for body in collector.bodies:
            found = [secret for secret in busy.secrets if secret.encode() in body]
            assert not found, found


def test_without_stanza_spans_connections_and_metrics_are_complete(traced):
    with Collector() as collector:
        server = traced(collector, trace_ratio="0")
        busy = Busy(server)
        for jid in (busy.alice, busy.bob):
            collector.span("xmpp.connection.lifecycle", jid=jid)
        collector.metric("xmpp.stanzas.processed", type="message", direction="in", value=lambda v: v >= 2)
        server.stop()  # sends what is left
        assert {span["name"] for span in collector.find("span")} == {"xmpp.connection.lifecycle", "mqtt.connection.lifecycle"}


def test_without_an_endpoint_nothing_is_sent(traced, monkeypatch):
    with Collector() as collector:
        # What a collector's default address would be, should anything be sent unasked.
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.endpoint}/v1/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.endpoint}/v1/metrics")
        server = traced(trace_ratio="1")
        busy = Busy(server)
        figures = prometheus(busy.live)
        for transport in ("tcp", "websocket"):
            assert scraped(figures, "xmpp_connections_active", transport=transport) == 1
        for direction in ("in", "out"):
            assert scraped(figures, "xmpp_stanzas_processed_total", type="message", direction=direction) >= 2
        assert scraped(figures, "xmpp_stanza_latency_seconds_count", type="message") >= 2
        assert scraped(figures, "mqtt_messages_processed_total", direction="in") >= 1
        assert scraped(figures, "storage_commits_total", database="waddle") >= 1
        assert not busy.closed(busy.live)
        server.stop()
        assert collector.bodies == []


# --- specs/telemetry.md ------------------------------------------------------------------------------------

def rows(heading):
    """The rows of the table below a heading, as lists of cells."""
    text = (ROOT / "specs" / "telemetry.md").read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def documented(collector, live):
    """The document and the server say the same."""
    spans = {}
    for span in collector.find("span"):
        spans.setdefault(span["name"], set()).update(span["attributes"])
    assert spans == {names(row[0]).pop(): names(row[1]) for row in rows("Spans")}

    metrics = {}
    for name, kind, unit, attributes, *_ in rows("Metrics"):
        metrics[names(name).pop()] = (kind, "" if unit == "1" else unit, names(attributes))
    at_times = {
        names(row[0]).pop(): (row[1], "" if row[2] == "1" else row[2], names(row[3]))
        for heading in ("After trouble only", "With the feature only") for row in rows(heading)
    }
    assert not metrics.keys() & at_times.keys()
    seen = {}
    for event in collector.find("metric"):
        seen[event["name"]] = (event["kind"], event["unit"], set(event["attributes"]))
    described = metrics | at_times
    assert {name: described.get(name) for name in seen} == seen
    assert set(metrics) <= set(seen), set(metrics) - set(seen)

    # /metrics has the same ones under Prometheus' names.
    exposed = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in prometheus(live)} - {"target_info", "otel_scope_info"}
    translate = {}
    for name, (kind, unit, _) in described.items():
        suffix = {"s": "_seconds", "By": "_bytes"}.get(unit, "")
        base = name.replace(".", "_")
        base = base if base.endswith(suffix) else base + suffix
        translate[name] = base + ("_total" if kind == "counter" else "")
    assert exposed <= set(translate.values()), exposed - set(translate.values())
    missing = {translate[name] for name in metrics} - exposed
    assert not missing, missing

    # And nothing in the sources is left out.
    made = set()
    for source in ROOT.glob("crates/*/src/**/*.rs"):
        made |= set(re.findall(
            r"\.(?:[ui]64|f64)_(?:observable_)?(?:counter|gauge|histogram|up_down_counter)\(\s*\"([^\"]+)\"", source.read_text()))
    for name in made:
        assert name in described, f"{name} is not in specs/telemetry.md"
