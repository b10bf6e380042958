"""Accounts for aioxmpp's end-to-end tests: each client gets one that nobody used, so that no test sees another's leavings."""
from aioxmpp.e2etest.provision import Provisioner, StaticPasswordProvisioner


class Fresh(StaticPasswordProvisioner):
    """Goes on through the accounts instead of starting again after each test."""

    async def teardown(self):
        await Provisioner.teardown(self)
