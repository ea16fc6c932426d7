"""What readers take with them, made of the published pages and of nothing else: no cell runs again.

For each language the book as PDF and EPUB, and its notebooks; and the whole site, to be read offline.
"""

import re
import shutil
from collections.abc import Iterator
from html import escape
from importlib.metadata import version
from io import BytesIO
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

import pikepdf
from browser import launch
from notebooks import write_zip
from playwright.sync_api import Browser, Page, Route, sync_playwright

BOOK = Path(__file__).with_name("book")
# what a font of Chromium's making says that a glyph, or a range of them, means, where that is a radical
RADICAL = re.compile(rb"^<(\w+)>(?: <(\w+)>)? <(2[EF]\w\w)>$", re.MULTILINE)
# those that Unicode does not call compatible with a character, but that Noto's fonts draw as one
PAIRS = (
    "⺂乛⺃乚⺅亻⺉刂⺎兀⺏尣⺐尢⺒巳⺓幺⺔彑⺕彐⺖忄⺘扌⺙攵⺛旡⺞歺⺠民⺡氵⺣灬⺦丬⺨犭⺫罒⺭礻⺯糹⺰纟⺱罓⺹耂⺺肀⺾艹⻁虎⻂衤⻃覀⻅见⻆角⻈讠⻉贝"
    "⻋车⻌辶⻐钅⻑長⻒镸⻓长⻔门⻖阝⻘青⻙韦⻚页⻛风⻜飞⻝食⻟飠⻠饣⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫斉⻬齐⻮齿⻯竜⻰龙⻱龜⻲亀⼾户⺤爫"
)
SIMPLIFIED = dict(zip(PAIRS[::2], PAIRS[1::2], strict=True))
LANGUAGES = {
    "en": {
        "tag": "en",
        "title": "blockbook",
        "subtitle": "How PyTorch models are built from blocks, "
        "and how their parameters are accessed, initialised and tied",
        "author": "the blockbook authors",
        "note": "Every output in this book was computed, and every claim about it checked, when the book was made.",
        "licence": "Prose CC BY 4.0, code MIT",
        "contents": "Contents",
        "check": "Check",
    },
    "zh": {
        "tag": "zh-CN",
        "title": "blockbook 积木书",
        "subtitle": "PyTorch 模型如何由块组成，参数如何访问、初始化和绑定",
        "author": "blockbook 的作者们",
        "note": "书中的每个输出都在成书时算出，每个论断都在成书时验证。",
        "licence": "文字 CC BY 4.0，代码 MIT",
        "contents": "目录",
        "check": "验证",
    },
}


def make(site: Path, target: Path) -> None:
    """Write all files into an empty folder; the site links to none of them."""
    files = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*")) if path.is_file()}
    # only a server shows it, and its links start at the server's root
    del files["404.html"]
    contents = {f"blockbook/{name}": path.read_bytes() for name, path in files.items()}
    write_zip(target / "blockbook-site.zip", contents)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for language in LANGUAGES:
            if (site / language).is_dir():
                shutil.copy(site / language / "notebooks.zip", target / f"blockbook-{language}-notebooks.zip")
                _make_book(browser, site, language, target)
        browser.close()


def _make_book(browser: Browser, site: Path, language: str, target: Path) -> None:
    words = {"torch": version("torch").partition("+")[0], **LANGUAGES[language]}
    # a book has one colour mode
    colours = (site / language / "_static" / "pygments.css").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r'^html\[data-theme="light"\] (.*)$', colours, re.MULTILINE))
    made = {
        f"/{language}/book.html": Template(_read("cover.html")).substitute(
            {name: escape(word) for name, word in words.items()}
        ),
        "/code.css": code,
    }

    def serve(route: Route) -> None:
        path = unquote(urlsplit(route.request.url).path)
        if path in made:
            route.fulfill(body=made[path], content_type=f"text/{path.rpartition('.')[2]}; charset=utf-8")
        else:
            route.fulfill(path=(BOOK.parent if path.startswith("/book/") else site) / path.lstrip("/"))

    # an address that no network knows: all that is asked for comes from the site's folder
    tab = browser.new_page(
        base_url="http://book.invalid", viewport={"width": 673, "height": 888}, device_scale_factor=2
    )
    tab.route("**/*", serve)
    tab.goto(f"/{language}/book.html")
    chapters = tab.evaluate(_read("book.js"), words)
    cover = tab.locator(".cover").screenshot()
    _write_epub(target / f"blockbook-{language}.epub", f"blockbook-{language}", words, chapters, cover, code)
    (target / f"blockbook-{language}.pdf").write_bytes(
        _print(tab, words, [heading for one in chapters for heading in one["headings"]])
    )
    tab.close()


def _print(tab: Page, words: dict[str, str], headings: list[str]) -> bytes:
    """Print twice: the contents name the pages that the first print has put the chapters on."""
    with pikepdf.open(BytesIO(tab.pdf(prefer_css_page_size=True))) as draft:
        numbers = {page.objgen: number for number, page in enumerate(draft.pages, 1)}
        pages = {name.lstrip("/"): numbers[place[0].objgen] for name, place in draft.Root.Dests.items()}
    tab.evaluate(
        """(pages) => {
          for (const link of document.querySelectorAll(".toc a"))
            link.querySelector(".toc-page").textContent = pages[link.hash.slice(1)];
        }""",
        pages,
    )
    printed = tab.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    finished = BytesIO()
    with pikepdf.open(BytesIO(printed)) as book:
        for font in book.objects:
            if isinstance(font, pikepdf.Dictionary) and "/ToUnicode" in font:
                font.ToUnicode.write(RADICAL.sub(_as_written, font.ToUnicode.read_bytes()))
        # Chromium names a heading twice in the outline if it had to move to the next page
        for entry, heading in zip(_entries(book.Root.Outlines), headings, strict=True):
            entry.Title = heading
        # the same commit makes the same bytes
        del book.docinfo["/CreationDate"], book.docinfo["/ModDate"]
        book.docinfo["/Author"] = words["author"]
        book.save(finished, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return finished.getvalue()


def _as_written(entry: re.Match[bytes]) -> bytes:
    """Have a glyph stand for a character, which readers search for, and not for the radical that looks the same."""
    first, last, start = (int(digits or entry[1], 16) for digits in entry.groups())
    codes = [chr(start + more) for more in range(last - first + 1)]
    characters = [f"<{ord(normalize('NFKC', SIMPLIFIED.get(code, code))):04X}>" for code in codes]
    # of a range, one character for each of its glyphs
    return b"<%b> " % entry[1] + (
        b"<%b> [%b]" % (entry[2], " ".join(characters).encode()) if entry[2] else characters[0].encode()
    )


def _entries(parent: pikepdf.Object) -> Iterator[pikepdf.Object]:
    entry = parent.get("/First")
    while entry is not None:
        yield entry
        yield from _entries(entry)
        entry = entry.get("/Next")


def _write_epub(
    target: Path, name: str, words: dict[str, str], chapters: list[dict[str, Any]], cover: bytes, code: str
) -> None:
    text = {key: escape(word) for key, word in words.items()}

    def page(title: str, body: str) -> str:
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
            '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
            f' lang="{text["tag"]}" xml:lang="{text["tag"]}">\n<head>\n<title>{title}</title>\n'
            f'<link rel="stylesheet" type="text/css" href="book.css"/>\n</head>\n<body>\n{body}\n</body>\n</html>\n'
        )

    contents = ""
    for part, group in groupby(chapters, lambda chapter: chapter["part"]):
        entries = "".join(f'<li><a href="{one["name"]}.xhtml">{escape(one["title"])}</a></li>\n' for one in group)
        contents += f"<li><span>{escape(part)}</span>\n<ol>\n{entries}</ol></li>\n" if part else entries
    files = {
        "cover.xhtml": page(text["title"], f'<img class="cover-image" src="cover.png" alt="{text["title"]}"/>'),
        "nav.xhtml": page(
            text["contents"], f'<nav epub:type="toc"><h1>{text["contents"]}</h1>\n<ol>\n{contents}</ol></nav>'
        ),
        **{f"{one['name']}.xhtml": page(escape(one["title"]), one["body"]) for one in chapters},
    }
    properties = {"nav.xhtml": "nav"}
    for one in chapters:
        properties[f"{one['name']}.xhtml"] = " ".join(kind for kind in ("mathml", "svg") if one[kind])
    items = "".join(
        f'<item id="{file.partition(".")[0]}" href="{file}" media-type="application/xhtml+xml"'
        + (f' properties="{properties[file]}"' if properties.get(file) else "")
        + "/>\n"
        for file in files
    )
    spine = "".join(f'<itemref idref="{file.partition(".")[0]}"/>\n' for file in files)
    package = Template(_read("package.opf")).substitute(
        text, identifier=f"{name}-{version('blockbook')}", items=items, spine=spine
    )
    container = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">\n<rootfiles>'
        '<rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/>'
        "</rootfiles>\n</container>\n"
    )
    parts = {
        "META-INF/container.xml": container,
        "book/package.opf": package,
        "book/book.css": code + _read("book.css"),
    }
    parts |= {f"book/{file}": content for file, content in files.items()}
    write_zip(
        target,
        {
            "mimetype": b"application/epub+zip",
            **{path: content.encode() for path, content in parts.items()},
            "book/cover.png": cover,
        },
        stored=frozenset({"mimetype"}),
    )


def _read(name: str) -> str:
    return (BOOK / name).read_text(encoding="utf-8")
