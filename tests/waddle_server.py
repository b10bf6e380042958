"""The server under test as a process: started on free ports in its own data directory, stopped by SIGTERM,
killed by SIGKILL, started again on the same ports; its commands run beside it."""
import json
import os
import pathlib
import signal
import subprocess
import time

import requests

HERE = pathlib.Path(__file__).resolve().parent
# Seconds: a start on a busy machine, a stop (the server promises ten), an answer.
START = 60
STOP = 15
ANSWER = 30


def binary():
    """The server's program: WADDLE_SERVER_BIN, or the debug build."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    return pathlib.Path(os.environ.get("WADDLE_SERVER_BIN", target / "debug" / "waddle-server"))


class CommandFailed(Exception):
    """A command of `waddle-server` ended with an error; its arguments are the exit code and what it said."""


class WaddleServer:
    """One server. `ready` is what its ready.json said: addresses by listener."""

    LISTENERS = ("http", "https", "xmpp", "xmpps", "mqtt", "mqtts")

    def __init__(self, data_dir, domain="localhost", **settings):
        self.data_dir = pathlib.Path(data_dir)
        self.domain = domain
        self.settings = settings
        self.ready = None
        self.arguments = ()
        self.process = None
        self.log_file = self.data_dir.with_name(self.data_dir.name + ".log")
        self.addresses = {name: "127.0.0.1:0" for name in self.LISTENERS}

    def environment(self):
        env = {name: value for name, value in os.environ.items() if not name.startswith("WADDLE_")}
        env |= {f"WADDLE_{name.upper()}_LISTEN": address for name, address in self.addresses.items()}
        env |= {
            "WADDLE_DATA_DIR": str(self.data_dir), "WADDLE_DOMAIN": self.domain, "WADDLE_S2S_LISTEN": "off",
            "WADDLE_LOG": "info",
        }
        return env | {f"WADDLE_{name.upper()}": value for name, value in self.settings.items()}

    def start(self):
        """Starts the server and waits for the ready.json of this very process."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        ready = self.data_dir / "ready.json"
        with open(self.log_file, "a") as log:
            self.process = subprocess.Popen(
                [binary(), *self.arguments], env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.data_dir.parent,
            )
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            try:
                found = json.loads(ready.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                found = {}
            if found.get("pid") == self.process.pid:
                self.ready = found
                # A restart uses the same ports, as clients expect.
                self.addresses = {name: found[name] or "off" for name in self.LISTENERS}
                return self
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"no ready.json within {START} s:\n{self.log()}")

    def stop(self):
        """SIGTERM; the server must end by itself, with 0, and take ready.json away."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end the server within {STOP} s:\n{self.log()[-4000:]}") from None
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()[-4000:]}"
        assert not (self.data_dir / "ready.json").exists(), "ready.json is left behind"

    def kill(self):
        """SIGKILL: nothing is flushed, nothing is said."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def command(self, *arguments, stdin=None):
        """Runs `waddle-server ARGUMENTS…` and returns what it printed."""
        done = subprocess.run(
            [binary(), *map(str, arguments)], env=self.environment(), input=stdin, capture_output=True, text=True,
            timeout=ANSWER, **({} if stdin is not None else {"stdin": subprocess.DEVNULL}),
        )
        if done.returncode != 0:
            raise CommandFailed(done.returncode, (done.stderr or done.stdout).strip())
        return done.stdout.strip()

    def json(self, *arguments):
        return json.loads(self.command(*arguments, "--json"))

    def account(self, name, password, *options):
        self.command("account", "create", name, "--password-stdin", *options, stdin=password + "\n")

    @property
    def url(self):
        return f"http://{self.ready['http']}"

    def room(self, waddle, channel):
        return f"{waddle}.{channel}@muc.{self.domain}"


class Api:
    """The HTTP API with one person's session token."""

    def __init__(self, server, token=None):
        self.server = server
        self.token = token

    @classmethod
    def login(cls, server, username, password):
        """A session of a local account."""
        answer = requests.post(f"{server.url}/auth/session", json={"username": username, "password": password}, timeout=ANSWER)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return cls(server, answer.json()["access_token"])

    def request(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        path = path if path.startswith("/auth") else f"/api/v1{path}"
        return requests.request(method, self.server.url + path, json=body, headers=headers, timeout=ANSWER, allow_redirects=False)

    def ok(self, method, path, body=None, status=(200, 201, 204)):
        answer = self.request(method, path, body)
        assert answer.status_code in status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def xmpp_token(self):
        return self.ok("POST", "/auth/xmpp-token", {})
