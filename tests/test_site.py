"""The built site in a real browser: every page, both languages, light and dark, wide and narrow."""

import re
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin

import pytest
from pages import HTML, PAGES, cells, published
from playwright.sync_api import Browser, Page, expect
from transcripts import LANGUAGES

each_language = pytest.mark.parametrize("language", LANGUAGES)
WIDTHS = (1300, 390)
SEARCHES = {
    "zh": {
        "参数绑定": "parameters/tying",
        "自定义块": "blocks/mlp",
        "常数参数": "blocks/forward",
        "初始化": "parameters/initialization",
        "state_dict": "parameters/access",
        "MySequential": "blocks/sequential",
        "顺序块": "blocks/sequential",
        "Xavier 初始化": "parameters/initialization",
        "块": "blocks/module",
    },
    "en": {"tying": "parameters/tying", "xavier": "parameters/initialization", "MySequential": "blocks/sequential"},
}


@pytest.fixture(params=["light", "dark"])
def tab(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param, base_url=address)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
@each_language
def test_pages_fit_stay_here_and_report_nothing(tab: Page, address: str, language: str, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    requests: list[str] = []
    reports: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: reports.append(message.text) if message.type in {"warning", "error"} else None)
    tab.on("pageerror", lambda error: reports.append(str(error)))
    tab.on("response", lambda response: reports.append(response.url) if response.status >= 400 else None)
    for page in PAGES:
        tab.goto(f"/{language}/{page}.html", wait_until="load")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page
        assert tab.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert [url for url in requests if not url.startswith((address, "data:"))] == []
    assert reports == []


def test_language_switch_goes_to_the_same_page_and_back(browser: Browser, address: str) -> None:
    tab = browser.new_page()
    for page in PAGES:
        tab.goto(f"{address}/en/{page}.html", wait_until="commit")
        tab.get_by_role("link", name="中文", exact=True).click(no_wait_after=True)
        expect(tab).to_have_url(f"{address}/zh/{page}.html")
        tab.get_by_role("link", name="English", exact=True).click(no_wait_after=True)
        expect(tab).to_have_url(f"{address}/en/{page}.html")
    tab.close()


@pytest.mark.parametrize(("locale", "language"), [("zh-CN", "zh"), ("en-GB", "en"), ("de-DE", "en")])
def test_root_sends_readers_to_their_language(browser: Browser, address: str, locale: str, language: str) -> None:
    context = browser.new_context(locale=locale)
    tab = context.new_page()
    tab.goto(f"{address}/")
    expect(tab).to_have_url(f"{address}/{language}/index.html")
    context.close()


@pytest.mark.parametrize(("language", "query"), [(lang, query) for lang in SEARCHES for query in SEARCHES[lang]])
def test_search_finds_the_page(browser: Browser, address: str, language: str, query: str) -> None:
    tab = browser.new_page()
    tab.goto(f"{address}/{language}/search.html?q={query}")
    links = tab.locator("#search-results ul.search li a")
    # the results come one by one; the summary says how many there will be
    tab.wait_for_function(
        """() => document.querySelector(".search-summary")?.innerText.match(/\\d+/)?.[0]
              == document.querySelectorAll("#search-results ul.search > li").length"""
    )
    found = [link.get_attribute("href") or "" for link in links.all()]
    assert any(f"{SEARCHES[language][query]}.html" in url for url in found[:10]), found
    tab.close()


@each_language
def test_search_finds_nothing_for_nonsense(browser: Browser, address: str, language: str) -> None:
    tab = browser.new_page()
    tab.goto(f"{address}/{language}/search.html?q={'龘靐齉' if language == 'zh' else 'qzxvwk'}")
    expect(tab.locator("#search-results p.search-summary")).to_be_visible()
    assert tab.locator("#search-results ul.search li").count() == 0
    tab.close()


@each_language
def test_checks_open_and_code_copies(browser: Browser, address: str, language: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    tab.goto(f"{address}/{language}/parameters/tying.html")
    folded = tab.locator("details.hide").first
    expect(folded.locator(".cell_input")).to_be_hidden()
    folded.locator("summary").click()
    expect(folded.locator(".cell_input")).to_be_visible()
    tab.locator("div.cell_input button.copybtn").first.click()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cells(language, "parameters/tying")[0].source
    context.close()


@each_language
def test_every_link_and_anchor_resolves(site: None, language: str) -> None:
    targets = {page: {tag["id"] for tag in published(language, page).select("[id]")} for page in PAGES}
    broken = []
    for page in PAGES:
        for link in published(language, page).select("a[href]"):
            url, fragment = urldefrag(urljoin(f"{language}/{page}.html", str(link["href"])))
            if re.match(r"[a-z]+:", url):
                continue
            target = url.removeprefix(f"{language}/").removesuffix(".html")
            if not (HTML / url).is_file() or (fragment and fragment not in targets.get(target, {fragment})):
                broken.append((page, link["href"]))
    assert broken == []


def test_root_page_links_both_languages(site: None) -> None:
    root = (HTML / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'hreflang="([\w-]+)"', root)) == {"en", "zh-CN", "x-default"}
    assert len(root) < 4000
