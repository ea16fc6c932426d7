"""Compare the site with a default sphinx-book-theme site of the same pages: weight, requests, axe's findings, search.

It needs the site (make html), and executes nothing: the other site is made of the notebooks that the build executed.
"""

import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLong
from record import ROOT, record, tables

# at the end: docs/build.py is another module than the bench of that name
sys.path.append(str(ROOT / "docs"))

from browser import launch

STOCK = ROOT / "build" / "bench" / "site"
CONFIG = """\
project = "blockbook"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
"""
LANGUAGES = {"en": "en", "zh": "zh_CN"}
# the best page for each query
SEARCHES = {
    "zh": {
        "参数绑定": "parameters/tying",
        "自定义块": "blocks/mlp",
        "常数参数": "blocks/forward",
        "初始化": "parameters/initialization",
        "state_dict": "parameters/access",
        "MySequential": "api",
        "块": "blocks/module",
        "Xavier 初始化": "parameters/initialization",
        "为什么参数不更新": "parameters/tying",
        "龘靐齉": None,
    },
    "en": {
        "weight tying": "parameters/tying",
        "custom block": "blocks/mlp",
        "constant parameter": "blocks/forward",
        "lazy initialization": "parameters/initialization",
        "state_dict": "parameters/access",
        "MySequential": "api",
        "qzxvwk": None,
    },
}
# axe does not read MathML, so that a heading cell that holds only a formula is empty to it
AXE = """async (options) => (await axe.run({ resultTypes: ["violations"], ...options })).violations
  .filter(({ id, nodes }) => id !== "empty-table-header"
    || nodes.some(({ target }) => !document.querySelector(`${target[0]} math`)))
  .map(({ id }) => id)"""
# the heading once all results are shown
SEARCHED = "() => /Search Results|搜索结果/.test(document.querySelector('#search-results h2')?.innerText)"
# a text has the same colours wide and narrow, and most of axe's time goes into those
LOOKS = [
    (1300, "light", {}),
    (1300, "dark", {"runOnly": ["color-contrast"]}),
    (390, "light", {"rules": {"color-contrast": {"enabled": False}}}),
]


def build_stock(language: str) -> None:
    """Build the same pages as the theme comes, from notebooks that have been executed."""
    source, work = STOCK / "source" / language, ROOT / "build" / "work" / language / "jupyter_execute"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / language, source)
    for notebook in work.rglob("*.ipynb"):
        page = source / notebook.relative_to(work)
        page.with_suffix(".md").unlink()
        shutil.copy(notebook, page)
    (source / "conf.py").write_text(CONFIG)
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-D", f"language={LANGUAGES[language]}", source]
    subprocess.run([*command, STOCK / "html" / language], check=True, stderr=subprocess.DEVNULL)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def measure(tab: Page, html: Path, address: str, language: str) -> dict[str, Any]:
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    weights, counts, outside, axe = [], [], [], []
    pages = [path.relative_to(ROOT / "docs" / language) for path in (ROOT / "docs" / language).rglob("*.md")]
    for page in sorted([*pages, Path("search.md")]):
        for width, scheme, options in LOOKS:
            requests.clear()
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.goto(f"{address}/{language}/{page.with_suffix('.html').as_posix()}", wait_until="load")
            asked = {url for url in requests if not url.startswith("data:")}
            tab.evaluate(AXE_SCRIPT)
            axe += tab.evaluate(AXE, options)
        files = {html / urlsplit(url).path.lstrip("/") for url in asked if url.startswith(address)}
        weights.append(
            sum(len(gzip.compress(file.read_bytes())) for file in files if file.is_file() and file.suffix != ".woff2")
        )
        counts.append(len(asked))
        outside.append(sum(not url.startswith(address) for url in asked))
    return {
        "kilobytes": [round(weight / 1000) for weight in (median(weights), max(weights))],
        "requests": [round(median(counts)), max(counts)],
        "to other hosts": sum(outside),
        "axe": len(axe),
        "rules": sorted(set(axe)),
        "ranks": {query: rank(tab, f"{address}/{language}", query, best) for query, best in SEARCHES[language].items()},
    }


def rank(tab: Page, address: str, query: str, best: str | None) -> int:
    """Return the place of the best page among the results, 0 if it is not there; for nonsense, how many there are."""
    tab.goto(f"{address}/search.html?q={quote(query)}")
    try:
        tab.wait_for_function(SEARCHED, timeout=5_000)
    except TooLong:
        return 0
    links = tab.locator("#search-results ul.search > li > a").evaluate_all(
        "all => all.map((a) => a.getAttribute('href'))"
    )
    found = [link.partition("#")[0].partition("?")[0].removesuffix(".html") for link in links]
    if best is None:
        return len(found)
    return found.index(best) + 1 if best in found else 0


def main() -> None:
    results: dict[str, Any] = {}
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for language in LANGUAGES:
            build_stock(language)
            results[language] = {}
            for name, html in (("default", STOCK / "html"), ("blockbook", ROOT / "build" / "html")):
                with serve(html) as address:
                    tab = browser.new_page()
                    tab.route(re.compile(f"^(?!{address}|data:)"), lambda route: route.abort())
                    results[language][name] = measure(tab, html, address, language)
                    tab.close()
        browser.close()
    print(tables(record("site", {"compared": results})))


if __name__ == "__main__":
    main()
