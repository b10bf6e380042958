"""Other people's checks of the API against its own document: schemathesis asks every operation what the document
allows and what it forbids, and holds each answer against it (specs/http.md). Seeded and bounded in time."""
import json
import re
import subprocess
import sys

import pytest

from waddle_server import Api

PASSWORD = "correct horse battery"
SECONDS = 120
# What ends the login of the run itself, answers without end, or asks other people's servers.
LEFT_OUT = (
    r"^/api/v1/(events|auth/login|auth/callback|auth/logout|auth/session|account$|account/password|account/sessions)"
    r"|/stream$|^/metrics$"
)
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth,allow_header_conformance"
)


@pytest.fixture
def place(start_server):
    """A server with people, and a waddle in which there is something of everything."""
    server = start_server(rate_limits="off")
    for name in ("alice", "bob"):
        server.account(name, PASSWORD)
    alice = Api.login(server, "alice", PASSWORD)

    def make(path, body):
        return alice.ok("POST", path, body, status=(201,))

    make("/waddles", {"slug": "penguins", "name": "Penguins", "visibility": "public"})
    make("/waddles/penguins/members", {"user": "bob"})
    channel = make("/waddles/penguins/channels", {"name": "Sensors"})
    make("/waddles/penguins/invites", {})
    make("/waddles/penguins/devices", {"name": "kitchen", "topics": ["home/kitchen"]})
    feed = make("/waddles/penguins/feeds", {"filter": "home/#", "channel": "sensors"})
    message = make(f"/channels/{channel['id']}/messages", {"body": "hello"})
    return server, alice, {"w": "penguins", "c": channel["id"], "who": "bob", "d": "kitchen"}, feed, message


def check(server, api, folder, parameters):
    config = folder / "schemathesis.toml"
    known = "".join(f'"path.{name}" = {json.dumps(value)}\n' for name, value in parameters.items())
    config.write_text(f"[parameters]\n{known}" if known else "")
    # what is forbidden comes case by case, what is allowed at random too
    for phases in (["--phases", "examples,coverage"], ["--phases", "fuzzing", "--mode", "positive"]):
        run(server, api, folder, config, phases)


def run(server, api, folder, config, phases):
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"{server.url}/api/v1/openapi.json",
            "--url", server.url, "--header", f"Authorization:Bearer {api.token}", "--checks", CHECKS,
            *phases, "--max-examples", "4", "--seed", "1", "--workers", "4",
            "--no-shrink", "--continue-on-failure", "--generation-database", "none", "--warnings", "off",
            "--suppress-health-check", "all", "--exclude-path-regex", LEFT_OUT, "--request-timeout", "10", "--no-color",
        ],
        capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, cwd=folder,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-20_000:]
    asked = re.search(r"(\d+) generated", said)
    assert asked and int(asked[1]) > 150, said[-4_000:]
    assert "panicked" not in server.log(), server.log()[-4_000:]


def test_what_is_not_there(place, tmp_path):
    """Paths of nothing: whatever is asked, the answer is one that the document has."""
    server, alice, *_ = place
    check(server, alice, tmp_path, {})


def test_what_is_there(place, tmp_path):
    """Paths of a waddle that is there, asked by its owner."""
    server, alice, known, *_ = place
    check(server, alice, tmp_path, known)


def test_the_document_is_one(place):
    """OpenAPI 3.1, by a validator that nobody here wrote."""
    import schemathesis

    server, *_ = place
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    schema.validate()
    assert len(list(schema.get_all_operations())) > 60
