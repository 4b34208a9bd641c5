import pytest
from playwright.sync_api import sync_playwright

from tests.service.pages_browser import WITHOUT_WEBGL, launch


@pytest.fixture(scope="module")
def browser():
    """A browser for the pages of a module; without WebGL it draws the server's map."""
    with sync_playwright() as running:
        browser = launch(running, WITHOUT_WEBGL)
        yield browser
        browser.close()
