"""What several test files need: settled randomness, the built site, and a browser."""

# what takes long to import is imported where it is used: pytest-xdist's controller reads this too, and uses nothing
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _seeded():
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def site() -> None:
    """Build the site, or what has changed of it: what is checked is what is published."""
    build = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if build.returncode:
        pytest.exit(
            f"The site does not build, so it cannot be checked:\n{build.stdout}{build.stderr}", build.returncode
        )


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    from browser import chromium, launch
    from playwright.sync_api import sync_playwright

    if chromium() is None:
        reason = "NOT CHECKED IN A BROWSER: there is no Chromium on this machine"
        if os.environ.get("BLOCKBOOK_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: None) -> Iterator[str]:
    """Serve the built site on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(ROOT / "build" / "html")))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
