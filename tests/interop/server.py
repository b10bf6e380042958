"""waddle-server as the suites of this folder want it: on the ports of the standards, at a loopback address of its own."""
import fcntl
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

CACHE = pathlib.Path(os.environ.get("WADDLE_TEST_CACHE", pathlib.Path.home() / ".cache" / "waddle"))
DOMAIN = "example.org"
COMPONENT = (f"component.{DOMAIN}", "battery staple")


def suites(name):
    """A checkout in the folder that WADDLE_SUITES names."""
    folder = os.environ.get("WADDLE_SUITES")
    if not folder or not (pathlib.Path(folder) / name).exists():
        sys.exit(f"set WADDLE_SUITES to a folder with a checkout of {name}")
    return pathlib.Path(folder) / name


def binary():
    """The program that WADDLE_SERVER_BIN names, or the debug build."""
    return pathlib.Path(os.environ.get("WADDLE_SERVER_BIN", pathlib.Path(__file__).parents[2] / "target/debug/waddle-server"))


def free_address():
    """A loopback address on whose port 5222 nobody listens, and a port of 127.0.0.1 that the system gives to nobody by
    itself; the lock holds both until the process ends."""
    for n in range(20 + os.getpid() % 100, 255):
        lock = open(f"{tempfile.gettempdir()}/waddle-interop-{n}.lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for place in ((f"127.0.0.{n}", 5222), ("127.0.0.1", 20_000 + n)):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(place)
            return f"127.0.0.{n}", 20_000 + n, lock
        except OSError:
            lock.close()
    sys.exit("no free loopback address")


class Server:
    """waddle-server on port 5222 of its own loopback address, in a temporary directory."""

    def __init__(self, program, folder, **settings):
        self.address, https, self.lock = free_address()
        self.program = program
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("WADDLE_")}
        self.env |= {f"WADDLE_{name}_LISTEN": f"{self.address}:0" for name in ("HTTP", "MQTT", "MQTTS")}
        self.env |= {
            "WADDLE_DATA_DIR": str(folder / "data"), "WADDLE_DOMAIN": DOMAIN, "WADDLE_XMPP_LISTEN": f"{self.address}:5222",
            "WADDLE_XMPPS_LISTEN": f"{self.address}:5223",
            # Uploads go over TLS, to an address that the server's own certificate names.
            "WADDLE_HTTPS_LISTEN": f"127.0.0.1:{https}", "WADDLE_PUBLIC_URL": f"https://127.0.0.1:{https}",
            "WADDLE_COMPONENT_LISTEN": f"{self.address}:5347",
            "WADDLE_S2S_LISTEN": "off", "WADDLE_RATE_LIMITS": "off", "WADDLE_REGISTRATION": "open", "WADDLE_LOG": "info",
            # A relay that nobody asks: its credentials are looked at (XEP-0215).
            "WADDLE_STUN_TURN": "turn:turn.example.org:3478?transport=udp", "WADDLE_TURN_SECRET": "north",
        }
        self.env |= {f"WADDLE_{name}": value for name, value in settings.items()}
        # Smack registers accounts on one connection that never logs in.
        (folder / "waddle.toml").write_text(
            f'[limits]\nxmpp_login_seconds = 3600\n[components]\n"{COMPONENT[0]}" = "{COMPONENT[1]}"\n')
        self.env |= {k: v for k, v in os.environ.items() if k in ("WADDLE_LOG", "WADDLE_LOG_FORMAT")}

    def __enter__(self):
        with open(self.folder / "server.log", "w") as log:
            self.process = subprocess.Popen([self.program, "--config", self.folder / "waddle.toml"], env=self.env,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if json.loads((self.folder / "data/ready.json").read_text())["pid"] == self.process.pid:
                    return self
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.05)
        self.__exit__()
        sys.exit("the server did not start:\n" + (self.folder / "server.log").read_text())

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(12)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def probe(self):
        """(whether the stream features offer in-band registration, XEP-0077; the certificate as PEM)."""
        header = f"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='{DOMAIN}'>".encode()
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE

        def until(plain, text):
            got = b""
            while text not in got:
                more = plain.recv(4096)
                if not more:
                    break
                got += more
            return got

        with socket.create_connection((self.address, 5222), 10) as plain:
            plain.sendall(header)
            features = until(plain, b"</stream:features>")
            plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            until(plain, b"<proceed")
            with trust.wrap_socket(plain, server_hostname=DOMAIN) as secure:
                secure.sendall(header)
                certificate = ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))
                features += until(secure, b"</stream:features>")
        return b"http://jabber.org/features/iq-register" in features, certificate

    def account(self, name, password, *options):
        subprocess.run([self.program, "account", "create", name, "--password-stdin", *options], env=self.env, input=password + "\n",
                       text=True, check=True, capture_output=True)

    def password(self, name, password):
        subprocess.run([self.program, "account", "passwd", name, "--password-stdin"], env=self.env, input=password + "\n",
                       text=True, check=True, capture_output=True)
