"""README's walk-through, command by command, against a server on its documented defaults; only addresses and
folders are other ones than it says."""
import os
import pathlib
import re
import subprocess

import pytest

from clients import Slixmpp
from terminal import Terminal
from waddle_server import WaddleServer, binary

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


class Defaults(WaddleServer):
    """Nothing is set but free ports, so that the test can run beside a server."""

    def environment(self):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("WADDLE_", "OTEL_"))}
        return env | {f"WADDLE_{name.upper()}_LISTEN": address for name, address in self.addresses.items()}


def blocks():
    """{section number: [shell block, …]} of the walk-through; section 0 comes before the first."""
    text = README.read_text().split("\n## Walk through\n", 1)[1].split("\n## ", 1)[0]
    found = {}
    for part in re.split(r"\n### ", text):
        number = int(re.match(r"(\d+)\. ", part).group(1)) if re.match(r"\d+\. ", part) else 0
        found[number] = re.findall(r"^```sh\n(.*?)^```", part, re.M | re.S)
    return found


class Shell:
    """A person's second terminal: a folder, an alias, and variables that they set from what they read."""

    def __init__(self, server, alias):
        self.server = server
        self.alias = alias
        self.variables = {}

    def here(self, text):
        """The text with this server's addresses and folders; every one of them must be known."""
        ready = self.server.ready
        port = {name: ready[name].rsplit(":", 1)[1] for name in WaddleServer.LISTENERS}
        text = text.replace("target/release/waddle-server", str(binary()))
        text = text.replace("127.0.0.1:3000", f"127.0.0.1:{port['http']}")
        text = re.sub(r"-p 1883\b", f"-p {port['mqtt']}", text)
        text = re.sub(r"-p 8883\b", f"-p {port['mqtts']}", text)
        return text.replace("/var/backups/", f"{self.server.data_dir.parent}/")

    def run(self, block):
        script = f"set -eo pipefail; shopt -s expand_aliases\n{self.here(self.alias)}\n{self.here(block)}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.server.data_dir.parent, env=self.server.environment() | self.variables,
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{block}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def server(tmp_path):
    server = Defaults(tmp_path / "waddle-data")
    server.start()
    yield server
    server.kill()


def test_the_walk_through(server, tmp_path):
    found = blocks()
    assert sorted(found) == list(range(9))
    (alias,) = found[0]
    shell = Shell(server, alias)

    for block in found[1]:
        shell.run(block)
    communities, invites = found[2]
    shell.run(communities)
    assert '"code"' in shell.run(invites)

    # Section 3 starts a terminal client; its lines are typed as they stand there.
    (chat,) = found[3]
    program = chat.split()[0]
    connect, join = (line for line in re.findall(r"#\s*(?:then: )?(/.*)", chat))
    password = re.search(r"echo '([^']+)' \| ws account create alice\b", found[1][0]).group(1)
    (tmp_path / "home").mkdir()
    with Terminal(tmp_path / "home", program) as terminal, Slixmpp(server, "bob", "battery staple") as bob:
        terminal.wait("Type '/help'")
        terminal.type(connect.replace("127.0.0.1", "127.0.0.1 port " + server.ready["xmpp"].rsplit(":", 1)[1]))
        terminal.wait("Enter password")
        terminal.type(password)
        terminal.wait("logged in successfully")
        # The channel is among the bookmarks: it is joined already, and this shows it.
        terminal.wait("Autojoined penguins.general@muc.localhost")
        terminal.type(join)
        room = join.split()[1]
        assert bob.join(room, "bob")["error"] is None
        terminal.type("typed in a terminal")
        bob.wait("message", body="typed in a terminal", **{"from": f"{room}/alice"})
        bob.say(room, "said to a terminal")
        terminal.wait("bob: said to a terminal")

    with Slixmpp(server, "alice", password) as alice:
        for room in ("penguins.general@muc.localhost", "penguins.sensors@muc.localhost"):
            assert room in README.read_text()
            outcome = alice.join(room, "alice")
            assert outcome["error"] is None and outcome["affiliation"] == "owner"

        device, *subscribers = found[4]
        create, rest = split(device, "mosquitto_pub")
        if re.search(r"^DEVICE=", create, re.M):
            name, secret = shell.run(f'{create}\nprintf "\\n%s %s" "$DEVICE" "$DEVICE_PASSWORD"').splitlines()[-1].split()
        else:
            # Read off what was printed, as a person does.
            name, secret = re.search(r"user name (\S+) password (\S+)", shell.run(create)).groups()
        shell.variables |= {"DEVICE": name, "DEVICE_PASSWORD": secret}
        since = alice.mark()
        shell.run(rest)
        said = re.search(r"`(kitchen: [^`]+)` appears", README.read_text()).group(1)
        alice.wait("message", since, body=said, **{"from": lambda who: who.startswith("penguins.sensors@")})

        # The subscribers wait for what comes next; each ends with its first message here.
        for block in subscribers:
            for line in block.splitlines():
                assert line.startswith("mosquitto_sub "), line
                assert "temperature/kitchen" in shell.run(
                    f"{line} -C 1 -W 20 & subscriber=$!\n"
                    f"for _ in $(seq 50); do kill -0 $subscriber || break; {rest.strip()}; sleep 0.2; done 2>/dev/null\n"
                    "wait $subscriber")

    # What step 2 left in the terminal, and each block leaves to the next.
    (roles,), (moderation,), (webhook, bot, asking, public) = found[5], found[6], found[7]
    left = "".join(line for line in (invites + roles).splitlines(True) if re.match(r"(api|token|auth)=", line))
    assert '"allowed":true' in shell.run(left + roles).replace(" ", "")

    *calls, log = moderation.strip().splitlines()
    shell.run(left + failing("\n".join(calls)))
    noted = shell.run(left + log)
    assert all(f" {what} " in noted for what in ("member.timeout.end", "member.ban")), noted

    assert "build 42 has passed" in shell.run(left + webhook)
    # The bot listens a moment after it is started: the question is asked until it does.
    answered = shell.run(
        f"{left}{bot}for _ in $(seq 50); do\n  heard=$({asking.strip()})\n  case $heard in *snow*) break;; esac\n"
        "  sleep 0.2\ndone\nkill %1\necho $heard")
    assert "Longyearbyen: snow" in answered, answered
    assert "Longyearbyen: snow" in shell.run(left + public)

    status, backup, stop = found[8][0].strip().splitlines()
    assert "XMPP" in shell.run(status)
    shell.run(backup)
    assert list((tmp_path / "waddle-today").iterdir())
    shell.run(stop)
    assert server.process.wait(15) == 0
    assert not (server.data_dir / "ready.json").exists()


def failing(block):
    """A block whose calls to the server must all be answered with success."""
    return block.replace("curl -s ", "curl -sf ")


def split(block, word):
    """A block before and from the line that starts with a word."""
    at = re.search(rf"^{word}\b", block, re.M).start()
    return block[:at], block[at:]


def test_the_first_start_is_shown_as_it_is(server):
    text = README.read_text().split("\n## Run it\n", 1)[1].split("\n## ", 1)[0]
    shown = re.search(r"^```text\n(.*?)^```", text, re.M | re.S).group(1)
    for line in shown.strip().splitlines():
        # Passwords and ports differ, the words do not.
        pattern = re.sub(r"(?:\w{4}\\-)+\w{4}|127\\?\.0\\?\.0\\?\.1:\d+", r".+", re.escape(line))
        assert re.search(pattern, server.log()), line


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", README.read_text()):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target
