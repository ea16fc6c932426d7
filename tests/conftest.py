"""What several test files need: settled randomness, the built site, and a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import torch
from dist import FLAGS, chromium
from hypothesis import register_random, settings
from pages import HTML, ROOT
from playwright.sync_api import Browser, sync_playwright

settings.register_profile("blockbook", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("blockbook")


class TorchRandom:
    """PyTorch's global random state, for hypothesis to seed before each example."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


# hypothesis holds only a weak reference
TORCH_RANDOM = TorchRandom()
register_random(TORCH_RANDOM)


@pytest.fixture(autouse=True)
def _seeded():
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
def browser() -> Iterator[Browser]:
    if chromium() is None:
        reason = "NOT CHECKED IN A BROWSER: there is no Chromium on this machine"
        if os.environ.get("BLOCKBOOK_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: None) -> Iterator[str]:
    """Serve the built site on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(HTML)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
