"""Fixtures: the server, and the AT Protocol network where a test asks for it."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import atproto_network  # noqa: E402
from waddle_server import WaddleServer, binary  # noqa: E402


@pytest.fixture(scope="session")
def net():
    """A real PLC directory and PDS."""
    with atproto_network.network() as found:
        yield found


@pytest.fixture
def start_server(tmp_path):
    """Starts servers, each in its own data directory; ends them all."""
    assert binary().exists(), f"{binary()} is missing: cargo build --bin waddle-server, or set WADDLE_SERVER_BIN"
    servers = []

    def start(name="data", **settings):
        server = WaddleServer(tmp_path / name, **settings)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server):
    """One server with local accounts only."""
    return start_server()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its servers' logs."""
    report = yield
    if report.when == "call" and report.failed:
        logs = sorted(item.funcargs["tmp_path"].glob("*.log")) if "tmp_path" in item.funcargs else []
        for shared in ("story", "stage"):
            if shared in item.funcargs:
                logs.append(item.funcargs[shared].server.log_file)
        for log in logs:
            report.sections.append((f"server log {log.name}", log.read_text(errors="replace")[-6000:]))
    return report
