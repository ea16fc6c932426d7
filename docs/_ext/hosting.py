"""What a site can say once it knows where it is: full addresses, previews, a sitemap, ways to run and edit a page.

BLOCKBOOK_BASE_URL is the address of the site, BLOCKBOOK_REPOSITORY_URL that of its source; either may be missing.
"""

import os
import re
import shutil
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

STATIC = Path(__file__).parents[1] / "_static"
# folder: tag, the form that Open Graph wants, what a card or a page without a text of its own is about
LANGUAGES = {
    "en": ("en", "en_US", "How PyTorch models are built from blocks, and how their parameters are read, set and tied."),
    "zh": ("zh-CN", "zh_CN", "PyTorch 模型如何由块组成，参数如何访问、初始化和绑定。"),
}
# .github/workflows/site.yml publishes the first, and puts the notebooks of the site into the second
BRANCH, NOTEBOOKS = "main", "notebooks"
ADDRESS = r"https?://[\w.-]+(:\d+)?(/[\w.~%+-]+)"


def _address(name: str, rule: str, pattern: str) -> str:
    value = os.environ.get(name, "").strip()
    scheme, _, rest = value.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    address = f"{scheme}://{host}".lower() + slash + path.removesuffix(".git")
    if value and not re.fullmatch(pattern, address, re.ASCII):
        raise SystemExit(f"{name} needs {rule}\n  got: {value}")
    return address if value else ""


BASE_URL = _address("BLOCKBOOK_BASE_URL", "the site's address, like https://example.org/book", ADDRESS + "*")
# on GitHub, more than owner and name is the address of something inside a repository
REPOSITORY_URL = _address(
    "BLOCKBOOK_REPOSITORY_URL",
    "a repository's address, like https://github.com/owner/name",
    r"(?!https?://(www\.)?github\.com(/[^/]+){3})" + ADDRESS + "{2,}",
)


def page_links(folder: str, page: str, *, notebook: bool) -> dict[str, str]:
    """Return where a page can be run and edited."""
    host, repository = urlsplit(REPOSITORY_URL)[1:3]
    if host != "github.com":
        return {"source": REPOSITORY_URL} if REPOSITORY_URL else {}
    path = f"{folder}/{page}.ipynb"
    run = {
        "colab": f"https://colab.research.google.com/github{repository}/blob/{NOTEBOOKS}/{path}",
        "binder": f"https://mybinder.org/v2/gh{repository}/{NOTEBOOKS}?labpath={quote(path, safe='')}",
    }
    return (run if notebook else {}) | {"edit": f"{REPOSITORY_URL}/edit/{BRANCH}/docs/{folder}/{page}.md"}


def alternates(page: str) -> dict[str, str]:
    """Return a page's full address in each language, and for readers of neither."""
    urls = {tag: f"{BASE_URL}/{folder}/{page}.html" for folder, (tag, *_) in LANGUAGES.items()}
    return urls | {"x-default": f"{BASE_URL}/" if page == "index" else urls["en"]}


def preview(folder: str, title: str, description: str, url: str) -> str:
    """Return the tags from which others make a card that stands for a page."""
    tags = [
        ("og:type", "article"),
        ("og:site_name", "blockbook"),
        ("og:title", title),
        ("og:description", description),
        ("og:url", url),
        ("og:image", f"{BASE_URL}/card-{folder}.png"),
        ("og:image:width", "1200"),
        ("og:image:height", "630"),
        ("og:image:alt", LANGUAGES[folder][2]),
        ("og:locale", LANGUAGES[folder][1]),
        *(("og:locale:alternate", locale) for other, (_, locale, _) in LANGUAGES.items() if other != folder),
        ("twitter:card", "summary_large_image"),
    ]
    return "\n".join(
        f'<meta {"name" if name.startswith("twitter") else "property"}="{name}" content="{escape(content)}">'
        for name, content in tags
    )


def publish(html: Path) -> None:
    """Write what belongs to no language: the root, the page for what is missing, and what robots and previews need."""
    root, missing = ((STATIC / name).read_text(encoding="utf-8") for name in ("root.html", "404.html"))
    # a host shows this page for any address, so that its links start at the site's root
    missing = missing.replace('<base href="/">', f'<base href="{urlsplit(BASE_URL).path}/">')
    (html / "404.html").write_text(missing, encoding="utf-8")
    if BASE_URL:
        for tag, url in alternates("index").items():
            root = re.sub(rf'(hreflang="{tag}" href=")[^"]*(">)', rf"\1{url}\2", root, count=1)
        card = preview("en", "blockbook", " ".join(about for *_, about in LANGUAGES.values()), f"{BASE_URL}/")
        root = root.replace("<style>", f'<link rel="canonical" href="{BASE_URL}/">\n{card}\n<style>')
        for image in STATIC.glob("card-*.png"):
            shutil.copy(image, html)
        (html / "sitemap.xml").write_text(_sitemap(), encoding="utf-8")
        robots = f"User-agent: *\nAllow: /\nSitemap: {BASE_URL}/sitemap.xml\n"
        (html / "robots.txt").write_text(robots, encoding="utf-8")
    (html / "index.html").write_text(root, encoding="utf-8")


def _sitemap() -> str:
    entries = [(f"{BASE_URL}/", "index")]
    for folder in LANGUAGES:
        for path in sorted((STATIC.parent / folder).rglob("*.md")):
            page = path.relative_to(STATIC.parent / folder).with_suffix("").as_posix()
            entries.append((f"{BASE_URL}/{folder}/{page}.html", page))
    lines = []
    for url, page in entries:
        links = "".join(
            f'\n  <xhtml:link rel="alternate" hreflang="{tag}" href="{other}"/>'
            for tag, other in alternates(page).items()
        )
        lines.append(f" <url>\n  <loc>{url}</loc>{links}\n </url>")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        ' xmlns:xhtml="http://www.w3.org/1999/xhtml">\n' + "\n".join(lines) + "\n</urlset>\n"
    )
