"""Fixtures: a browser, tabs in it, and a stock web client."""
import pytest
from playwright.sync_api import sync_playwright

from web import ARGUMENTS, Tab, chromium_path, serve_converse


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def tabs(chromium):
    """Opens tabs, each somebody's own browser; closes them all."""
    opened = []

    def open(**options):
        opened.append(Tab(chromium, **options))
        return opened[-1]

    yield open
    for tab in opened:
        tab.close()


@pytest.fixture(scope="session")
def converse():
    """The address of Converse.js: another origin than the server's."""
    with serve_converse() as address:
        yield address
