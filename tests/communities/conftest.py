"""The stage of the tests of what people do: one server for all of them, a waddle for each."""
import pytest

from people import Stage
from waddle_server import WaddleServer


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    """A server without rates, that looks often for what is to be removed and may ask this machine for previews and by
    webhooks."""
    place = tmp_path_factory.mktemp("stage")
    config = place / "waddle.toml"
    config.write_text("[limits]\nmessage_sweep_seconds = 1\n")
    config.chmod(0o600)
    server = WaddleServer(place / "data", rate_limits="off", atproto_allow_http_loopback="on", webhook_private_networks="on")
    server.arguments = ("--config", str(config))
    server.start()
    yield Stage(server)
    server.stop()
