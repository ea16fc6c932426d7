"""What readers take with them: of a small site all of it, of the book what its PDFs say."""

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag, urljoin
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from dist import LANGUAGES
from pages import HTML, PAGES, written
from playwright.sync_api import Browser, expect
from pypdf import PdfReader
from test_build import FRONT, Site, files, once

pytestmark = [pytest.mark.no_cover, pytest.mark.build]
each_language = pytest.mark.parametrize("language", LANGUAGES)
ONE = f"""{FRONT}
(page-one)=
# TITLE

SENTENCE It needs $\\sqrt{{x}}$, see [two](two.md#exercises).

```{{code-cell}} python
from blockbook import answer
answer()
```

(proof-one-answer)=

```{{code-cell}} python
:tags: [hide-cell]

assert answer() == 42  # {"and on and on " * 12}
```

```{{code-cell}} python
:tags: [raises-exception]

1 / 0
```

## Exercises
"""
TWO = "# TITLE\n\n[Check](#proof-one-answer), [one](#page-one), [elsewhere](https://example.org/).\n\n## Exercises\n"
TITLES = {"en": ("Count to (one)", "Count on"), "zh": ("从一数起", "继续往下数")}
SENTENCES = {"en": "The answer is computed.", "zh": "参数绑定是算出来的。"}
# from the page on tying: prose, an output
PHRASES = {
    "en": ("The gradient is a sum", "(('2.weight', '4.weight')"),
    "zh": ("梯度是两项之和", "(('2.weight', '4.weight')"),
}
OPF = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="session")
def made(browser: Browser, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    return once(tmp_path_factory, worker_id, taken_along)


def taken_along(root: Path) -> None:
    """Make all of a small site, change a page and build, and make all of that."""
    site = Site(root, {"one": "", "two": ""}, languages=("en", "zh"))
    for language, (one, two) in TITLES.items():
        site.write(f"docs/{language}/one.md", ONE.replace("TITLE", one).replace("SENTENCE", SENTENCES[language]))
        site.write(f"docs/{language}/two.md", TWO.replace("TITLE", two))
    site.build("--dist")
    site.keep("first")
    site.edit("docs/en/two.md", "elsewhere", "somewhere else")
    site.build()
    site.keep("changed")
    site.build("--dist")


def dead_links(html: Path) -> list[tuple[str, str]]:
    pages = [path.relative_to(html).as_posix() for path in html.rglob("*.html") if path.name != "404.html"]
    links = (
        (page, a["href"])
        for page in pages
        for a in BeautifulSoup((html / page).read_text(), "html.parser")("a", href=True)
    )
    return [
        (page, link)
        for page, link in links
        if not re.match("[a-z]+:", link) and not (html / urldefrag(urljoin(page, link)).url).is_file()
    ]


def test_all_files_are_made_and_linked_and_no_link_is_dead(made: Path) -> None:
    names = {"blockbook-site.zip"}
    names |= {f"blockbook-{language}{end}" for language in LANGUAGES for end in (".pdf", ".epub", "-notebooks.zip")}
    taken = files(made / "build" / "dist")
    html = made / "build" / "html"
    assert set(taken) == names
    assert files(html / "downloads") == taken
    page = (html / "zh" / "one.html").read_text(encoding="utf-8")
    links = re.findall(r'href="\.\./downloads/([^"]+)" download>([^<]+)<', page)
    assert [name for name, _ in links] == ["blockbook-zh.pdf", "blockbook-zh.epub", "blockbook-site.zip"]
    assert all(re.search("[一-鿿]", text) for _, text in links)
    assert dead_links(html) == []


def test_files_that_were_made_of_other_pages_are_taken_back_and_made_again(made: Path) -> None:
    # they could say other things than the pages
    assert not (made / "changed" / "downloads").exists()
    assert "downloads/" not in (made / "changed" / "zh" / "one.html").read_text(encoding="utf-8")
    assert dead_links(made / "changed") == []
    before, after = files(made / "first" / "downloads"), files(made / "build" / "html" / "downloads")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {
        "blockbook-en.pdf",
        "blockbook-en.epub",
        "blockbook-site.zip",
    }


def test_without_a_browser_nothing_is_begun_and_the_error_says_what_to_install(tmp_path: Path) -> None:
    site = Site(tmp_path, {})
    process = site.start("--dist", PATH=str(tmp_path))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == "No Chromium to print the books with. On Debian: apt install chromium\n"
    assert not (tmp_path / "build" / "html").exists()
    assert not (tmp_path / "build" / "dist").exists()


def outline(reader: PdfReader) -> Iterator[tuple[str, int]]:
    def walk(entries: list) -> Iterator[tuple[str, int]]:
        for entry in entries:
            if isinstance(entry, list):
                yield from walk(entry)
            else:
                yield entry.title, reader.get_destination_page_number(entry)

    return walk(reader.outline)


def linked(reader: PdfReader) -> set[str]:
    """Return the names that links inside a PDF lead to, and the addresses outside it."""
    annotations = [one.get_object() for page in reader.pages for one in page.get("/Annots", [])]
    return {str(one.get("/Dest") or one["/A"]["/URI"]) for one in annotations if one["/Subtype"] == "/Link"}


@each_language
def test_pdf_has_the_text_an_outline_links_that_lead_somewhere_and_its_fonts(made: Path, language: str) -> None:
    reader = PdfReader(made / "build" / "dist" / f"blockbook-{language}.pdf")
    text = [page.extract_text() for page in reader.pages]
    one, two = TITLES[language]
    places = dict(outline(reader))
    assert list(places)[:3] == ["Start", "Status", "Glossary"]
    assert text[places[one]].replace(" ", "").count(one.replace(" ", "")) == 2
    book = "\n".join(text)
    # Chromium's fonts take 一 for the radical ⼀, and then no search finds it
    assert not re.search("[\u2e80-\u2fdf]", book)
    for said in (
        SENTENCES[language],
        "from blockbook import answer",
        "42",
        "assert answer() == 42",
        "ZeroDivisionError",
    ):
        assert said in book
    # a long line goes on below
    assert " ".join(book.split()).count("and on") == 12 * 2
    assert LANGUAGES[language]["check"] in book
    # the contents say where
    assert re.search(rf"{re.escape(two)}\s*{places[two] + 1}\b", text[1])
    links = linked(reader)
    assert {"/one.proof-one-answer", "/one.page-one", "/two.exercises", "https://example.org/"} <= links
    assert {link for link in links if link.startswith("/")} <= set(reader.named_destinations)
    assert reader.get_destination_page_number(reader.named_destinations["/two.exercises"]) == places[two]
    assert reader.trailer["/Root"]["/Lang"] == LANGUAGES[language]["tag"]
    assert reader.metadata.author == LANGUAGES[language]["author"]
    assert reader.metadata.creation_date is None
    for font in {font for page in reader.pages for font in page["/Resources"]["/Font"].values()}:
        descendant = font.get_object().get("/DescendantFonts", [font])[0].get_object()
        assert descendant["/Subtype"] == "/Type3" or "/FontFile2" in descendant["/FontDescriptor"]


@each_language
def test_epub_is_whole_and_asks_for_nothing(made: Path, language: str) -> None:
    with zipfile.ZipFile(made / "build" / "dist" / f"blockbook-{language}.epub") as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"application/epub+zip"
        book = {name.removeprefix("book/"): archive.read(name) for name in archive.namelist() if name[:5] == "book/"}
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
    assert container.find(".//{*}rootfile").get("full-path") == "book/package.opf"
    package = ElementTree.fromstring(book.pop("package.opf"))
    assert package.find(".//{*}language").text == LANGUAGES[language]["tag"]
    assert package.find(".//{*}title").text == LANGUAGES[language]["title"]
    items = {item.get("id"): item for item in package.iter(f"{OPF}item")}
    assert {item.get("href") for item in items.values()} == set(book)
    spine = [items[one.get("idref")].get("href") for one in package.iter(f"{OPF}itemref")]
    assert spine[:2] == ["cover.xhtml", "nav.xhtml"]
    assert set(spine[2:]) == {f"{name}.xhtml" for name in ("index", "status", "glossary", "one", "two")}
    trees = {name: ElementTree.fromstring(book[name]) for name in spine}
    names = {name: {one.get("id") for one in tree.iter()} for name, tree in trees.items()}
    for name, tree in trees.items():
        assert tree.get("lang") == LANGUAGES[language]["tag"]
        assert tree.find(f".//{XHTML}script") is None
        for one in tree.iter():
            for target in filter(None, (one.get("href"), one.get("src"))):
                file, _, fragment = target.partition("#")
                assert target == "https://example.org/" or file in book, (name, target)
                assert not fragment or fragment in names[file], (name, target)
    assert next(one.get("href") for one in trees["one.xhtml"].iter(f"{XHTML}a")) == "two.xhtml#two.exercises"
    assert b"url(" not in book["book.css"]
    assert b"@import" not in book["book.css"]
    assert {item.get("href"): item.get("properties") for item in items.values() if item.get("properties")} == {
        "nav.xhtml": "nav",
        "one.xhtml": "mathml",
        "cover.png": "cover-image",
    }
    assert trees["one.xhtml"].find(".//{*}math").get("alttext") == r"\sqrt{x}"
    text = "".join(trees["one.xhtml"].itertext())
    assert SENTENCES[language] in text
    assert "ZeroDivisionError" in text
    assert [entry.text for entry in trees["nav.xhtml"].iter(f"{XHTML}a")][-2:] == list(TITLES[language])


def test_site_zip_reads_offline(made: Path, browser: Browser, tmp_path: Path) -> None:
    shutil.unpack_archive(made / "build" / "dist" / "blockbook-site.zip", tmp_path)
    site = tmp_path / "blockbook"
    assert dead_links(site) == []
    assert not (site / "downloads").exists()
    context = browser.new_context(offline=True, locale="zh-CN", reduced_motion="reduce")
    tab = context.new_page()
    reports: list[str] = []
    tab.on("console", lambda said: reports.append(said.text) if said.type in {"warning", "error"} else None)
    tab.on("pageerror", lambda error: reports.append(str(error)))
    tab.goto((site / "index.html").as_uri())
    expect(tab).to_have_url((site / "zh" / "index.html").as_uri())
    tab.keyboard.press("Control+k")
    tab.locator("#pst-search-dialog input").fill("参数绑定")
    tab.keyboard.press("Enter")
    tab.locator("#search-results ul.search li a").first.click()
    expect(tab).to_have_url(re.compile(r"/blockbook/zh/one\.html"))
    tab.get_by_role("link", name="English", exact=True).click()
    expect(tab).to_have_url((site / "en" / "one.html").as_uri())
    assert reports == []
    context.close()


@each_language
def test_notebooks_are_those_of_the_site(made: Path, language: str) -> None:
    taken = made / "build" / "dist" / f"blockbook-{language}-notebooks.zip"
    assert taken.read_bytes() == (made / "build" / "html" / language / "notebooks.zip").read_bytes()
    with zipfile.ZipFile(taken) as archive:
        assert archive.namelist() == ["blockbook/one.ipynb"]
        # what is unzipped may be read
        assert archive.infolist()[0].external_attr >> 16 == 0o644


@each_language
def test_the_book_as_published_has_every_page(site: None, language: str) -> None:
    path = HTML / "downloads" / f"blockbook-{language}.pdf"
    if not path.exists():
        reason = "the book was not printed by `make dist`"
        (pytest.fail if os.environ.get("BLOCKBOOK_REQUIRE_BROWSER") else pytest.skip)(reason)
    reader = PdfReader(path)
    places = dict(outline(reader))
    titles = {page: re.search("^# (.+)$", written(language, page), re.MULTILINE)[1].replace("`", "") for page in PAGES}
    assert set(titles.values()) <= set(places)
    start = places[titles["parameters/tying"]]
    text = "\n".join(page.extract_text() for page in reader.pages[start : start + 7])
    for phrase in ("tied_groups(net)", *PHRASES[language]):
        assert phrase in text
