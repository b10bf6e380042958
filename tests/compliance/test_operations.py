"""Operations from within: an administrator restarts and stops the running program (XEP-0133), a stock library is a
component of it (XEP-0114), and its list of extensions is that of specs/xeps.md."""
import asyncio
import concurrent.futures
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from wire import Client, address, listener  # noqa: E402

ADMIN = "http://jabber.org/protocol/admin"
COMMANDS = "http://jabber.org/protocol/commands"


def run(client, node, **fields):
    """Both stages of a command."""
    asked = client.iq("set", f"<command xmlns='{COMMANDS}' node='{ADMIN}#{node}'/>", "localhost")[0]
    filled = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items())
    answer = client.iq("set", f"<command xmlns='{COMMANDS}' node='{ADMIN}#{node}' sessionid='{asked.get('sessionid')}' "
                       f"action='complete'><x xmlns='jabber:x:data' type='submit'>{filled}</x></command>", "localhost")[0]
    assert answer.get("status") == "completed"


def test_an_administrator_restarts_and_stops_the_server(start_server):
    server = start_server(rate_limits="off")
    server.account("boss", "secret", "--admin")
    server.account("alice", "secret")
    boss, alice = Client(server, "boss").online(), Client(server, "alice").online()
    ready = server.data_dir / "ready.json"
    before = ready.stat().st_mtime_ns
    run(boss, "restart", delay="0", announcement="Back in a moment")
    alice.message("Back in a moment")
    end = alice.until(lambda e: e.tag.endswith("}error"))
    assert end[0].tag == "{urn:ietf:params:xml:ns:xmpp-streams}system-shutdown"
    until = time.monotonic() + 20
    while not ready.exists() or ready.stat().st_mtime_ns == before:
        assert server.process.poll() is None and time.monotonic() < until, server.log()
        time.sleep(0.05)
    server.ready = json.loads(ready.read_text())
    assert server.ready["pid"] == server.process.pid, "whoever watches the process sees no end"
    boss = Client(server, "boss").online()
    run(boss, "shutdown", delay="0")
    assert server.process.wait(15) == 0


def test_slixmpp_is_a_component(tmp_path):
    import slixmpp
    settings = tmp_path / "waddle.toml"
    settings.write_text('[components]\n"echo.localhost" = "sesame"\n')
    server = make(tmp_path, settings)
    try:
        server.account("alice", "secret")

        async def serve():
            host, port = address(listener(server, "component"))
            echo = slixmpp.ComponentXMPP("echo.localhost", "sesame", host, port)
            echo.register_plugin("xep_0030")
            echo.add_event_handler("message", lambda m: m.reply(f"echo: {m['body']}").send())
            started = asyncio.get_running_loop().create_future()
            echo.add_event_handler("session_start", lambda _: started.set_result(True))
            echo.connect()
            await asyncio.wait_for(started, 10)

            def talk():
                alice = Client(server, "alice").online()
                alice.send("<message to='anybody@echo.localhost' type='chat'><body>hello</body></message>")
                alice.message("echo: hello")
                return alice.disco("echo.localhost")

            assert "http://jabber.org/protocol/disco#info" in await asyncio.to_thread(talk)
            await echo.disconnect()

        # Another test's browser may have left a loop in this thread.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, serve()).result()
    finally:
        server.kill()


def make(home, settings):
    from waddle_server import WaddleServer
    server = WaddleServer(home / "with-component")
    server.addresses["component"] = "127.0.0.1:0"
    server.arguments = ["--config", str(settings)]
    return server.start()


def test_the_list_of_extensions_is_the_page_s(start_server):
    server = start_server()
    rows = server.json("xep", "list")
    page = (HERE.parent.parent / "specs" / "xeps.md").read_text()
    for row in rows:
        line = (f"| [{row['number']:04}](https://xmpp.org/extensions/xep-{row['number']:04}.html) | {row['title']} | "
                f"{row['version']} | {row['notes']} |")
        assert line in page, line
    numbers = [row["number"] for row in rows]
    assert numbers == sorted(set(numbers)) and {50, 114, 133} <= set(numbers)
    assert server.command("xep", "list").count("\n") == len(rows) - 1
