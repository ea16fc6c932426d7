"""The built site in a real browser: every page, both languages, light and dark, wide and narrow."""

import gzip
import hashlib
import os
import re
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import nbclient
import nbformat
import pytest
import sphinxcontrib.katex
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import NavigableString, Tag
from pages import DOCS, EXECUTED, HTML, PAGES, cells, published
from playwright.sync_api import Browser, expect
from transcripts import LANGUAGES, code_cells

pytestmark = pytest.mark.no_cover
each_language = pytest.mark.parametrize("language", LANGUAGES)
# in the middle: a small laptop's window at twice the size, and the narrowest phone
WIDTHS = (1300, 640, 360, 390)
BUILT = [*PAGES, "search", "genindex"]
# the page, or the entry of the API, that comes first
SEARCHES = {
    "zh": {
        "参数绑定": "parameters/tying.html",
        "自定义块": "blocks/mlp.html",
        "常数参数": "blocks/forward.html",
        "初始化": "parameters/initialization.html",
        "state_dict": "parameters/access.html",
        "MySequential": "api.html#blockbook.MySequential",
        "顺序块": "blocks/sequential.html",
        "Xavier 初始化": "parameters/initialization.html",
        "xavier": "parameters/initialization.html",
        "块": "blocks/module.html",
        # as readers put it: a question, no spaces, another order of words, full width
        "为什么 参数 不更新": "parameters/tying.html",
        "为什么参数不更新": "parameters/tying.html",
        "权重共享": "parameters/tying.html",
        "共享层": "parameters/tying.html",
        "参数的绑定": "parameters/tying.html",
        "延后初始化": "parameters/initialization.html",
        "Xavier初始化": "parameters/initialization.html",
        "ＸＡＶＩＥＲ": "parameters/initialization.html",
        "XAVIER": "parameters/initialization.html",
        "正态分布": "parameters/initialization.html",
        "梯度": "parameters/access.html",
        "前向传播": "blocks/forward.html",
        "register_buffer": "blocks/forward.html",
        "nn.ModuleList": "blocks/module.html",
        "多层感知机": "blocks/mlp.html",
        "常见错误": "errata.html",
    },
    "en": {
        "tying": "parameters/tying.html",
        "tie": "api.html#blockbook.tie",
        "xavier": "parameters/initialization.html",
        "MySequential": "api.html#blockbook.MySequential",
        "state_dict": "parameters/access.html",
        "custom block": "blocks/mlp.html",
        "mysequential": "api.html#blockbook.MySequential",
        "XAVIER": "parameters/initialization.html",
        "weight tying": "parameters/tying.html",
        "shared layer": "parameters/tying.html",
        "share parameters": "parameters/tying.html",
        "lazy initialization": "parameters/initialization.html",
        "vanishing gradients": "parameters/initialization.html",
        "constant parameter": "blocks/forward.html",
        "forward pass": "blocks/forward.html",
        "register_buffer": "blocks/forward.html",
        "nn.ModuleList": "blocks/module.html",
        "multilayer perceptron": "blocks/mlp.html",
        "named_parameters": "parameters/access.html",
    },
}


# axe does not read MathML, so that a heading cell that holds only a formula is empty to it
AXE_RUN = """async (options) => {
  const { violations } = await axe.run({ resultTypes: ["violations"], ...options });
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => [id, target[0]]));
  return found.filter(([id, target]) => !(id === "empty-table-header" && document.querySelector(`${target} math`)));
}"""
# contrast is a matter of looks: of the words and tokens that look the same, which are thousands, one is checked
CONTRAST = ["color-contrast", "link-in-text-block"]
OTHER_RULES = {"rules": {rule: {"enabled": False} for rule in CONTRAST}}
MARK_NEW_LOOKS = """([known, mark]) => {
  const looks = new Set(known), plain = ["rgba(0, 0, 0, 0)", "none", "1"], backgrounds = new Map();
  const background = (box) => {
    if (box && !backgrounds.has(box)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(box);
      const own = [backgroundColor, backgroundImage, opacity].filter((value) => !plain.includes(value));
      backgrounds.set(box, [...own, background(box.parentElement)].join());
    }
    return backgrounds.get(box);
  };
  for (const one of document.querySelectorAll("body *")) {
    const says = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!says || !one.checkVisibility({ visibilityProperty: true })) continue;
    const { color, fontSize, fontWeight, textDecoration } = getComputedStyle(one);
    const around = getComputedStyle(one.parentElement).color;
    const look = [color, fontSize, fontWeight, textDecoration, around, background(one)].join();
    if (!looks.has(look)) one.setAttribute(mark, "");
    looks.add(look);
  }
  return [...looks];
}"""
CHECK_ONLY = """(mark) => axe.configure({ rules: [
  { id: "color-contrast", selector: `[${mark}]` }, { id: "link-in-text-block", selector: `a[${mark}]` }
] })"""
# pieces of code and formulas that have nothing but a look mean nothing, and are nine in ten of a page's elements
DROP_WHAT_IS_ONLY_LOOKS = """() => {
  for (const one of document.querySelectorAll(":is(pre, .katex-html) span")) {
    if (one.getAttributeNames().every((name) => ["class", "style"].includes(name))) one.replaceWith(...one.childNodes);
  }
}"""
# the theme sees to it, some time after the window has got another size
WHAT_SCROLLS_IS_REACHED = """() => [...document.querySelectorAll("pre, .cell_output > .output")].every((one) =>
  one.tabIndex === 0 || (one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight)
)"""
REACHABLE = """() => {
  const all = [...document.querySelectorAll("a[href], button, summary, input, [tabindex='0']")];
  all.forEach((one, number) => { one.dataset.number = number; });
  return all.filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0).length;
}"""
WIDEST = """() => {
  const ends = [...document.querySelectorAll(".header-article-items__end :is(a, button, summary)")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }))
    .map((one) => one.getBoundingClientRect().right);
  return Math.max(document.documentElement.scrollWidth, ...ends);
}"""
CUT_FORMULAS = """() => [...document.querySelectorAll("div.math")].filter((box) => {
  const { left, right } = box.getBoundingClientRect();
  const parts = [...box.querySelectorAll(".katex-html .base")].map((part) => part.getBoundingClientRect());
  return parts.some((part) => part.left < left - 1 || part.right > right + 1);
}).map((box) => box.innerText)"""
# what the search page does when it is loaded with a query, without loading all else again
SEARCH_AGAIN = """async (query) => {
  history.replaceState(null, "", `?q=${encodeURIComponent(query)}`);
  document.querySelector("#search-results").replaceChildren();
  Search.performSearch(query);
  for (let wait = 0; wait < 1000; wait++) {
    const found = document.querySelector("#search-results ul.search li a");
    if (found) return found.getAttribute("href");
    await new Promise((again) => setTimeout(again, 5));
  }
}"""
NOTE_WHAT_IS_FOCUSED = """() => {
  window.reached = new Map();
  document.addEventListener("focusin", ({ target }) => {
    const { outlineStyle, outlineWidth, boxShadow, opacity } = getComputedStyle(target);
    const visible = ((outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none") && opacity > 0.5;
    reached.set(target, [target.dataset.number, visible, target.outerHTML.slice(0, 200)]);
  });
}"""


@cache
def compressed(path: str) -> int:
    return len(gzip.compress((HTML / path.lstrip("/")).read_bytes()))


class Reader:
    """A tab that goes from page to page, and notes what it asks for and what is reported."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address = address
        self.tab = browser.new_page(base_url=address, reduced_motion="reduce")
        self.tab.add_init_script(
            "document.addEventListener('securitypolicyviolation', (e) => console.error(e.violatedDirective))"
        )
        self.tab.add_init_script(AXE_SCRIPT)
        self.requests: list[str] = []
        self.reports: list[str] = []
        self.width, self.mode = 0, "light"
        # what has been checked for contrast, and what of this page is to be
        self.looks: dict[str, list[str]] = {"light": [], "dark": []}
        self.new: list[tuple[int, str]] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda said: self._report(said.text) if said.type in {"warning", "error"} else None)
        self.tab.on("pageerror", lambda error: self._report(str(error)))
        self.tab.on("response", lambda response: self._report(response.url) if response.status >= 400 else None)

    def _report(self, what: str) -> None:
        self.reports.append(what)

    def go(self, page: str) -> None:
        for notes in (self.requests, self.reports, self.new):
            notes.clear()
        self.tab.goto(f"/{page}.html", wait_until="load")

    def weight(self) -> int:
        files = {urlsplit(url).path for url in self.requests if url.startswith(self.address)}
        return sum(compressed(file) for file in files if not file.endswith(".woff2"))

    def look(self, width: int, mode: str) -> None:
        if width != self.width:
            self.tab.set_viewport_size({"width": width, "height": 900})
        if mode != self.mode:
            self.tab.emulate_media(color_scheme=mode)
            expect(self.tab.locator(f"html[data-theme={mode}]")).to_have_count(1)
        self.width, self.mode = width, mode

    def note_looks(self) -> None:
        """Mark what looks as nothing did before, in both modes."""
        for mode in (self.mode, {"light": "dark", "dark": "light"}[self.mode]):
            self.look(self.width, mode)
            before = len(self.looks[mode])
            self.looks[mode] = self.tab.evaluate(MARK_NEW_LOOKS, [self.looks[mode], f"data-new-{self.width}-{mode}"])
            assert len(self.looks[mode]) > 5
            if len(self.looks[mode]) > before:
                self.new.append((self.width, mode))

    def axe(self, *widths: int) -> list[tuple[object, ...]]:
        """Return what axe finds, and the situation in which it finds it; the page is of no use afterwards."""
        self.tab.evaluate(DROP_WHAT_IS_ONLY_LOOKS)
        found = []
        for width in widths:
            self.look(width, self.mode)
            self.tab.wait_for_function(WHAT_SCROLLS_IS_REACHED)
            found += [(width, *one) for one in self.tab.evaluate(AXE_RUN, OTHER_RULES)]
        for width, mode in self.new:
            self.look(width, mode)
            self.tab.evaluate(CHECK_ONLY, f"data-new-{width}-{mode}")
            found += [(width, mode, *one) for one in self.tab.evaluate(AXE_RUN, {"runOnly": CONTRAST})]
        return found


@pytest.fixture(scope="module")
def reader(browser: Browser, address: str) -> Iterator[Reader]:
    reader = Reader(browser, address)
    yield reader
    reader.tab.close()


@pytest.mark.parametrize("page", BUILT)
@each_language
def test_a_page_fits_stays_here_reports_nothing_and_axe_finds_nothing(reader: Reader, language: str, page: str) -> None:
    tab = reader.tab
    reader.go(f"{language}/{page}")
    assert 50_000 < reader.weight() <= 150_000
    assert any("searchindex" in url for url in reader.requests) == (page == "search")
    assert [url for url in reader.requests if not url.startswith((reader.address, "data:"))] == []
    assert tab.evaluate("() => document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    policy = tab.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert "default-src 'none'" in str(policy)
    for width in WIDTHS:
        reader.look(width, reader.mode)
        assert tab.evaluate(WIDEST) <= width
        assert tab.evaluate(CUT_FORMULAS) == []
        if width in (1300, 390):
            reader.note_looks()
    assert reader.reports == []
    assert reader.axe(390, 1300) == []


def test_the_policy_stops_a_script_that_is_not_ours(browser: Browser, address: str) -> None:
    tab = browser.new_page()
    tab.goto(f"{address}/en/index.html")
    assert not tab.evaluate(
        """() => {
          const script = document.createElement("script");
          script.text = "window.ran = true";
          document.head.append(script);
          return window.ran;
        }"""
    )
    tab.close()


@each_language
def test_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser, address: str, language: str) -> None:
    tab = browser.new_page(reduced_motion="reduce")
    tab.goto(f"{address}/{language}/parameters/tying.html")
    wanted = tab.evaluate(REACHABLE)
    assert wanted > 50
    tab.evaluate(NOTE_WHAT_IS_FOCUSED)
    for _ in range(wanted):
        tab.keyboard.press("Tab")
    reached = tab.evaluate("[...reached.values()]")
    assert [html for _, visible, html in reached if not visible] == []
    assert len([number for number, *_ in reached if number is not None]) == wanted
    folded = tab.locator("details.hide").first
    folded.locator("summary").focus()
    tab.keyboard.press("Enter")
    expect(folded.locator(".cell_input")).to_be_visible()
    tab.locator(".theme-menu summary").focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator("html[data-theme=dark]")).to_have_count(1)
    tab.keyboard.press("Control+k")
    expect(tab.locator("#pst-search-dialog input")).to_be_focused()
    tab.close()


def test_nothing_moves_for_readers_who_ask_for_that(browser: Browser, address: str) -> None:
    tab = browser.new_page(reduced_motion="reduce")
    tab.goto(f"{address}/en/parameters/tying.html")
    moving = "[...document.querySelectorAll('*')].some((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0)"
    assert not tab.evaluate(moving)
    tab.emulate_media(reduced_motion="no-preference")
    assert tab.evaluate(moving)
    tab.close()


def test_pages_work_from_disk(browser: Browser, site: None) -> None:
    tab = browser.new_page()
    reports: list[str] = []
    tab.on("console", lambda said: reports.append(said.text) if said.type in {"warning", "error"} else None)
    tab.on("pageerror", lambda error: reports.append(str(error)))
    tab.goto((HTML / "en" / "parameters" / "tying.html").as_uri())
    tab.get_by_role("link", name="中文", exact=True).click()
    expect(tab).to_have_url((HTML / "zh" / "parameters" / "tying.html").as_uri())
    expect(tab.locator("button.copybtn").first).to_be_attached()
    assert tab.evaluate("() => document.fonts.check('1em KaTeX_Main')")
    assert reports == []
    tab.close()


def test_printed_page_is_light_and_shows_its_checks(browser: Browser, address: str) -> None:
    tab = browser.new_page(color_scheme="dark")
    tab.goto(f"{address}/zh/parameters/tying.html")
    checks = tab.locator("details.hide .cell_input")
    assert not any(one.is_visible() for one in checks.all())
    tab.emulate_media(media="print")
    assert checks.count() > 5
    assert all(one.is_visible() for one in checks.all())
    for event, theme in (("beforeprint", "light"), ("afterprint", "dark")):
        tab.evaluate("(event) => dispatchEvent(new Event(event))", event)
        expect(tab.locator(f"html[data-theme={theme}]")).to_have_count(1)
    tab.close()


def test_language_switch_goes_to_the_same_page_and_back(browser: Browser, address: str) -> None:
    tab = browser.new_page()
    for page in ("index", "blocks/mlp"):
        tab.goto(f"{address}/en/{page}.html", wait_until="commit")
        tab.get_by_role("link", name="中文", exact=True).click(no_wait_after=True)
        expect(tab).to_have_url(f"{address}/zh/{page}.html")
        tab.get_by_role("link", name="English", exact=True).click(no_wait_after=True)
        expect(tab).to_have_url(f"{address}/en/{page}.html")
    tab.close()
    for page in BUILT:
        for language, other in (("en", "zh"), ("zh", "en")):
            links = published(language, page).select(".lang-switch a")
            assert [urljoin(f"{language}/{page}.html", str(link["href"])) for link in links] == [f"{other}/{page}.html"]


def test_language_switch_keeps_the_place_and_the_choice(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="en-GB", reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{address}/en/parameters/tying.html")
    tab.evaluate("() => document.querySelectorAll('article h2')[4].scrollIntoView()")
    # Playwright's own click scrolls a sticky header's page
    tab.get_by_role("link", name="中文", exact=True).evaluate("(link) => link.click()")
    expect(tab).to_have_url(f"{address}/zh/parameters/tying.html#part-5")
    expect(tab.locator("article h2").nth(4)).to_be_in_viewport()
    label = tab.locator("[id^=proof-tying]").first.get_attribute("id")
    tab.goto(f"{address}/zh/parameters/tying.html#{label}")
    tab.get_by_role("link", name="English", exact=True).click()
    expect(tab).to_have_url(f"{address}/en/parameters/tying.html#{label}")
    tab.get_by_role("link", name="中文", exact=True).click()
    expect(tab).to_have_url(f"{address}/zh/parameters/tying.html#{label}")
    tab.goto(f"{address}/")
    expect(tab).to_have_url(f"{address}/zh/index.html")
    context.close()


def test_places_are_the_same_in_both_languages(site: None) -> None:
    places = {
        language: {page: [tag["id"] for tag in published(language, page).select("[id^=part-]")] for page in PAGES}
        for language in LANGUAGES
    }
    assert places["en"] == places["zh"]


# what drawings say is a cell's, as names are
OWN = {"abbr", "code", "head", "script", "style"}
# titles have names in them
PROSE = {"article", "noscript", "bd-sidebar-secondary", "bd-links", "prev-next-area", "jb-print-docs-body"}


def interface(tag: Tag, *, prose: bool) -> Iterator[str]:
    """Yield what a page says around its prose, and in attributes inside it."""
    if tag.name in OWN or tag.get("role") == "img" or tag.get("title", "").startswith("blockbook."):
        return
    prose = prose or not PROSE.isdisjoint([tag.name, tag.get("id"), *tag.get("class", ())])
    yield from (str(tag[name]) for name in ("title", "aria-label", "placeholder") if name in tag.attrs)
    for part in tag.children:
        if isinstance(part, Tag):
            yield from interface(part, prose=prose)
        elif not prose and type(part) is NavigableString:
            yield part


def test_interface_is_in_the_language_of_the_page(site: None) -> None:
    said = " ".join(text for page in BUILT for text in interface(published("zh", page), prose=False))
    english = set(re.findall("[A-Za-z]{2,}", said))
    names = {"PDF", "EPUB", "Colab", "Binder"}
    assert english - names == {
        "Ctrl",
        "English",
        "Language",
        "blockbook",
        "zip",
        "CC",
        "BY",
        "MIT",
        "Python",
        "PyTorch",
    }
    checks = {summary.get_text(" ", strip=True) for summary in published("zh", "parameters/tying").select("summary")}
    assert "展开验证 收起验证" in checks


@pytest.mark.parametrize(("locale", "language"), [("zh-CN", "zh"), ("en-GB", "en"), ("de-DE", "en")])
def test_root_sends_readers_to_their_language(browser: Browser, address: str, locale: str, language: str) -> None:
    context = browser.new_context(locale=locale)
    tab = context.new_page()
    tab.goto(f"{address}/")
    expect(tab).to_have_url(f"{address}/{language}/index.html")
    context.close()


@each_language
def test_search_puts_the_best_page_first(browser: Browser, address: str, language: str) -> None:
    tab = browser.new_page()
    tab.goto(f"{address}/{language}/index.html")
    typed, *others = SEARCHES[language]
    tab.keyboard.press("Control+k")
    tab.locator("#pst-search-dialog input").fill(typed)
    tab.keyboard.press("Enter")
    found = tab.locator("#search-results ul.search li a").first
    found.wait_for()
    first = {typed: found.get_attribute("href")}
    for query in others:
        first[query] = tab.evaluate(SEARCH_AGAIN, query)
    assert {query: str(href).partition("?")[0] for query, href in first.items()} == SEARCHES[language]
    tab.close()


@each_language
def test_search_finds_nothing_for_nonsense(browser: Browser, address: str, language: str) -> None:
    # the third: characters that the book has, in an order that it has not
    words = {"zh": ("龘靐齉", "qzxvwk", "定绑数参", "参数猫"), "en": ("qzxvwk", "parameter qzxvwk")}[language]
    tab = browser.new_page()
    for word in words:
        tab.goto(f"{address}/{language}/search.html?q={word}")
        expect(tab.locator("#search-results p.search-summary")).to_have_text(
            re.compile("^(没有找到|Your search did not)")
        )
        assert tab.locator("#search-results ul.search li").count() == 0
    tab.close()


@each_language
def test_matches_are_marked_and_can_be_unmarked(browser: Browser, address: str, language: str) -> None:
    word, button = {"zh": ("绑定", "隐藏搜索高亮"), "en": ("tie", "Hide Search Matches")}[language]
    tab = browser.new_page()
    tab.goto(f"{address}/{language}/parameters/tying.html?highlight={word}")
    expect(tab.locator("article .highlighted").first).to_be_visible()
    tab.get_by_role("link", name=button).click()
    expect(tab.locator("article .highlighted").filter(visible=True)).to_have_count(0)
    tab.close()


def test_pages_can_be_read_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    tab = context.new_page()
    tab.goto(f"{address}/en/parameters/tying.html")
    colour, behind = tab.locator("div.cell_input div.highlight").first.evaluate(
        "(box) => [getComputedStyle(box).color, getComputedStyle(box).backgroundColor].map((c) => c.match(/\\d+/g)[0])"
    )
    assert int(behind) - int(colour) > 150
    context.close()


def test_search_takes_a_phrase_for_one(browser: Browser, address: str) -> None:
    tab = browser.new_page()
    found = {}
    for query in ("参数绑定", "参数 绑定"):
        tab.goto(f"{address}/zh/search.html?q={query}")
        expect(tab.locator("#search-results p.search-summary")).to_have_text(re.compile("^找到"))
        links = [str(link.get_attribute("href")) for link in tab.locator("#search-results ul.search li a").all()]
        found[query] = {re.split("[?#]", link)[0] for link in links}
    holds = {page for page in PAGES if "参数绑定" in published("zh", page).article.get_text()}
    assert found["参数绑定"] == {f"{page}.html" for page in holds}
    assert found["参数绑定"] < found["参数 绑定"]
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
    expect(tab.locator("div.cell_output button.copybtn")).to_have_count(0)
    tab.locator("div.cell_input button.copybtn").first.click()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cells(language, "parameters/tying")[0].source
    context.close()


@each_language
def test_a_long_output_shows_its_head_until_it_is_opened(browser: Browser, address: str, language: str) -> None:
    page = published(language, "parameters/access")
    switches = page.select("div.cell_output > details.more")
    assert [switch.get_text() for switch in switches] == [{"en": "All 29 lines", "zh": "全部 29 行"}[language]]
    # each other output is short, or a drawing
    for cell in page.find_all("div", class_="cell_output"):
        for output in cell.find_all(class_=lambda name: name != "more", recursive=False):
            long = output.find_next_sibling("details") is not None
            assert long == (len(output.get_text().strip().splitlines()) > 20 and not output.find(["svg", "table"]))
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{address}/{language}/parameters/access.html")
    output = tab.locator("div.cell_output > details.more").locator("xpath=preceding-sibling::*[1]")
    height = "(output) => [output.clientHeight, output.scrollHeight]"
    shown, whole = output.evaluate(height)
    assert 200 < shown < whole
    tab.emulate_media(media="print")
    assert output.evaluate(height) == [whole, whole]
    tab.emulate_media(media="screen")
    tab.locator("details.more summary").focus()
    tab.keyboard.press("Enter")
    assert output.evaluate(height) == [whole, whole]
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


def test_page_that_is_not_there_leads_back(browser: Browser, address: str) -> None:
    base = urlsplit(os.environ.get("BLOCKBOOK_BASE_URL", "")).path.rstrip("/")
    tab = browser.new_page()
    tab.goto(f"{address}/404.html")
    for language, name in (("en", "contents of blockbook"), ("zh", "回到 blockbook")):
        tab.goto(f"{address}/404.html")
        tab.get_by_role("link", name=name).click()
        expect(tab).to_have_url(f"{address}{base}/{language}/index.html")
    tab.close()


@each_language
def test_pages_download_as_notebooks_that_run(browser: Browser, address: str, language: str) -> None:
    tab = browser.new_page(accept_downloads=True)
    tab.goto(f"{address}/{language}/blocks/sequential.html")
    with tab.expect_download() as download:
        tab.locator("a[download][href$='sequential.ipynb']").click()
    notebook = nbformat.read(download.value.path(), as_version=4)
    tab.close()
    nbformat.validate(notebook)
    code = code_cells(notebook)
    assert any(cell.outputs for cell in code)
    if language == "en":
        nbclient.NotebookClient(notebook, timeout=120, allow_errors=True).execute()
        raised = ["raises-exception" in cell.metadata.get("tags", ()) for cell in code]
        assert [any(one.output_type == "error" for one in cell.outputs) for cell in code] == raised


@each_language
def test_all_notebooks_are_in_one_zip(site: None, language: str) -> None:
    with zipfile.ZipFile(HTML / language / "notebooks.zip") as archive:
        assert sorted(archive.namelist()) == [f"blockbook/{page}.ipynb" for page in EXECUTED]
        for name in archive.namelist():
            notebook = nbformat.reads(archive.read(name).decode(), as_version=4)
            assert not any("/tmp" in str(cell) for cell in notebook.cells)


def test_root_page_links_both_languages(site: None) -> None:
    root = (HTML / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'hreflang="([\w-]+)"', root)) == {"en", "zh-CN", "x-default"}
    assert len(root) < 4000


OURS = {
    "_static": "404.html blockbook.css blockbook.js card-en.png card-zh.png favicon.svg root.html translations.js"
    " vendored.toml",
    "_ext/inventories": "make.py vendored.toml",
    "book": "book.css book.js cover.html package.opf paper.css vendored.toml",
}


@pytest.mark.parametrize("folder", OURS)
def test_vendored_files_are_the_listed_ones(folder: str) -> None:
    place = DOCS / folder
    files = {path.relative_to(place) for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    found = {path.as_posix() for path in files} - set(OURS[folder].split())
    listed = {}
    for package in tomllib.loads((place / "vendored.toml").read_text(encoding="utf-8"))["package"]:
        assert all(package[key] for key in ("name", "version", "source", "licence"))
        listed |= {(Path(package["folder"]) / file).as_posix(): digest for file, digest in package["sha256"].items()}
    assert {file: hashlib.sha256((place / file).read_bytes()).hexdigest() for file in found} == listed


def test_formulas_and_their_styles_are_of_one_version() -> None:
    package = tomllib.loads((DOCS / "_static" / "vendored.toml").read_text(encoding="utf-8"))["package"][0]
    engine = Path(sphinxcontrib.katex.__file__).with_name("katex.min.js").read_text(encoding="utf-8")
    assert f'version:"{package["version"]}"' in engine
