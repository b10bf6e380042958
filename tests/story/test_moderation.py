"""A stock client sees a timeout and a ban come and end by themselves (XEP-0045), and a moderator makes them from another
one by command (XEP-0050)."""
import asyncio
import datetime
import time

from clients import Slixmpp
from waddle_server import Api

PASSWORD = "correct horse battery"
ROOM = "penguins.general"


def soon(seconds):
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def stage(server):
    for name in ("ada", "mo", "bob"):
        server.account(name, PASSWORD)
    ada = Api.login(server, "ada", PASSWORD)
    ada.ok("POST", "/waddles", {"slug": "penguins", "name": "Penguins"})
    ada.ok("PATCH", "/waddles/penguins", {"settings": {"appeal": "write to appeals@example.org"}})
    for name, role in (("mo", "moderator"), ("bob", "member")):
        ada.ok("POST", "/waddles/penguins/members", {"user": name, "role": role})
    return ada


def run_command(client, to, node, **fields):
    """Runs an ad-hoc command with one form; what it notes."""
    async def run():
        iq = client.xmpp.make_iq_set(ito=to)
        command = iq["command"]
        command["node"], command["action"] = node, "execute"
        form = command["form"]
        form["type"] = "submit"
        for name, value in fields.items():
            form.add_field(var=name, value=value)
        answer = await iq.send(timeout=10)
        return answer["command"]["status"], str(answer)

    return asyncio.run_coroutine_threadsafe(run(), client._loop).result(15)


def test_a_timeout_and_a_ban_come_and_end(server):
    ada = stage(server)
    room = f"{ROOM}@muc.{server.domain}"
    bob = Slixmpp(server, "bob", PASSWORD)
    mo = Slixmpp(server, "mo", PASSWORD, plugins=("xep_0004", "xep_0050"))
    try:
        bob.join(room, "bob")
        mo.join(room, "mo")
        # By command, for a minute; then by HTTP for a moment, which takes its place.
        status, answer = run_command(mo, room, "urn:waddle:moderation#timeout", jid=f"bob@{server.domain}", minutes="1",
                                     reason="shouting")
        assert status == "completed", answer
        bob.wait("presence", **{"from": f"{room}/bob", "role": "visitor"})
        mark = bob.mark()
        bob.send(do="say", room=room, body="but", id="but")
        bob.wait("message", since=mark, type="error", id="but")
        api = Api.login(server, "mo", PASSWORD)
        mark = bob.mark()
        api.ok("PUT", "/waddles/penguins/timeouts/bob", {"expires_at": soon(5)})
        bob.wait("presence", since=mark, **{"from": f"{room}/bob", "role": "participant"})
        mark = mo.mark()
        bob.say(room, "sorry")
        mo.wait("message", since=mark, body="sorry")
        # A ban is the end of it, here and at the door, until it is over.
        mark = bob.mark()
        api.ok("PUT", "/waddles/penguins/bans/bob", {"expires_at": soon(8), "reason": "spam"})
        bob.wait("presence", since=mark, type="unavailable", affiliation="outcast")
        assert bob.join(room, "bob")["error"] == "forbidden"
        for _ in range(600):
            if ada.request("GET", "/waddles/penguins/bans/bob").status_code == 404:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the ban did not end")
        log = ada.ok("GET", "/waddles/penguins/audit?whom=bob")["entries"]
        actions = [entry["action"] for entry in log]
        assert "member.ban" in actions and "member.timeout" in actions, actions
        by_command = next(e for e in log if e["action"] == "member.timeout" and e["via"] == "xmpp")
        assert by_command["reason"] == "shouting" and by_command["address"] == "127.0.0.1"
        ada.ok("POST", "/waddles/penguins/members", {"user": "bob"})
        bob.join(room, "bob")
        mark = mo.mark()
        bob.say(room, "back")
        mo.wait("message", since=mark, body="back")
    finally:
        bob.close()
        mo.close()
