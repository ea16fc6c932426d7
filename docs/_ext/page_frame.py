"""Around each page: the other language, a policy for the browser, and every word of the interface."""

import hashlib
import html
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import hosting
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri

LANGUAGES = {"en": ("en", "en", "English"), "zh_CN": ("zh", "zh-CN", "中文")}
WORDS = {
    "en": {
        "home": "Home",
        "mode": "Color mode",
        "auto": "As the system",
        "light": "Light",
        "dark": "Dark",
        "notebook": "Download this page as a notebook",
        "downloads": "Downloads",
        "pdf": "The book as PDF",
        "epub": "The book as EPUB",
        "offline": "The site to read offline (zip)",
        "notebooks": "All pages as notebooks (zip)",
        "lines": "All {} lines",
        "page": "Run or edit this page",
        "colab": "Run in Colab",
        "binder": "Run in Binder",
        "edit": "Edit this page",
        "source": "Source of the book",
        "Toggle primary sidebar": "Show or hide the contents",
        "Toggle secondary sidebar": "Show or hide the contents of this page",
    },
    "zh_CN": {
        "home": "首页",
        "mode": "颜色模式",
        "auto": "跟随系统",
        "light": "浅色",
        "dark": "深色",
        "notebook": "把本页下载为笔记本",
        "downloads": "下载",
        "pdf": "全书 PDF",
        "epub": "全书 EPUB",
        "offline": "可离线阅读的网站（zip）",
        "notebooks": "全部页面的笔记本（zip）",
        "lines": "全部 {} 行",
        "page": "运行或编辑本页",
        "colab": "在 Colab 中运行",
        "binder": "在 Binder 中运行",
        "edit": "编辑本页",
        "source": "本书源码",
        "Toggle primary sidebar": "显示或隐藏全书目录",
        "Toggle secondary sidebar": "显示或隐藏本页目录",
        "Main": "全书目录",
        "Page": "本页目录",
    },
}

# an output with more lines than this shows its head, and a switch
HEAD = 20

# the only script inside a page: what is not set before the first paint flickers
FIRST_SCRIPT = """{
  const { dataset } = document.documentElement;
  dataset.mode = localStorage.getItem("mode") || "auto";
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = dataset.mode !== "auto" ? dataset.mode : dark ? "dark" : "light";
}"""
# styles stay open: KaTeX and the pictures place their parts by style attributes
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' 'sha256-{b64encode(hashlib.sha256(FIRST_SCRIPT.encode()).digest()).decode()}'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    )
)


class InlineSvg(SphinxPostTransform):
    """Put drawings into the page itself, where ``currentColor`` takes the page's colour."""

    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.app.srcdir, image["uri"])
            if path.suffix == ".svg" and path.is_file():
                svg = path.read_text(encoding="utf-8")
                svg = svg[svg.index("<svg") :].replace("#000000", "currentColor")
                label = html.escape(image.get("alt", ""))
                image.replace_self(
                    nodes.raw(
                        "",
                        f'<div class="drawing" role="img" aria-label="{label}" tabindex="0">{svg}</div>',
                        format="html",
                    )
                )


def fold_long_outputs(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put a switch below each long output; the style shows the head of what it switches."""
    if app.builder.format != "html":
        return
    cells = [node for node in doctree.findall(nodes.container) if "cell_output" in node["classes"]]
    for output in [output for cell in cells for output in cell]:
        text = output.astext()
        lines = text.count("<tr") if "<table" in text else len(text.strip().splitlines())
        if lines > HEAD and "<svg" not in text:
            label = WORDS[app.config.language]["lines"].format(lines)
            switch = f'<details class="more"><summary>{label}</summary></details>'
            output.parent.insert(output.parent.index(output) + 1, nodes.raw("", switch, format="html"))


def number_sections(app: Sphinx, doctree: nodes.document) -> None:
    """Give each section a name that it has in both languages."""
    for number, section in enumerate(doctree.findall(nodes.section)):
        section["ids"].append(f"part-{number}")


def add_context(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    here = LANGUAGES[app.config.language]
    context["languages"] = [
        {
            "folder": folder,
            "tag": tag,
            "name": name,
            "current": folder == here[0],
            "url": relative_uri(f"{here[0]}/{pagename}.html", f"{folder}/{pagename}.html")
            or f"{pagename.rpartition('/')[2]}.html",
        }
        for folder, tag, name in LANGUAGES.values()
    ]
    if pagename == "search":
        # it has the search index to load instead
        for kind in ("script_files", "css_files"):
            context[kind] = [
                one
                for one in context[kind]
                if not re.search("copybutton|clipboard|katex|mystnb|pygments", str(one.filename))
            ]
    context.update(policy=POLICY, first_script=FIRST_SCRIPT, words=WORDS[app.config.language])


def add_addresses(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Say what the page is about, and where it is, if that is known."""
    folder = LANGUAGES[app.config.language][0]
    paragraphs = (
        [node for node in doctree.findall(nodes.paragraph) if node.parent.tagname == "section"] if doctree else []
    )
    # every executed page ends in a line of its own
    texts = [" ".join(node.astext().split()) for node in paragraphs if not node["classes"]]
    description = [*texts, hosting.LANGUAGES[folder][2]][0]
    relative = {item["tag"]: item["url"] for item in context["languages"]}
    context.update(description=description, alternates=hosting.alternates(pagename) if hosting.BASE_URL else relative)
    if doctree is None:
        return
    context["page_links"] = hosting.page_links(folder, pagename, notebook="notebook" in context)
    if hosting.BASE_URL:
        title = app.env.titles[pagename].astext()
        context["preview"] = hosting.preview(folder, title, description, context["pageurl"])


def mend_templates(app: Sphinx) -> None:
    """Say in the page's language what the theme's templates say in English only, and name every heading cell."""
    if app.builder.format != "html":
        return
    render, words = app.builder.templates.render, WORDS[app.config.language]

    def mended(template: str, context: dict[str, Any]) -> str:
        page = re.sub(
            '((?:title|aria-label)=")([^"]+)"', lambda m: f'{m[1]}{words.get(m[2], m[2])}"', render(template, context)
        )
        # without scripts, the theme has no colours but for this
        page = page.replace('data-theme="auto"', 'data-theme="light"', 1)
        # what a fold says itself is in the page's language
        page = page.replace('<summary aria-label="Toggle hidden content">', "<summary>")
        return page.replace('<th class="head"><p></p></th>', "<td></td>")

    app.builder.templates.render = mended


def remove_unused(app: Sphinx, exception: Exception | None) -> None:
    """Keep what no page asks for out of the site."""
    if app.builder.name == "html" and exception is None:
        static = Path(app.outdir, "_static")
        for pattern in (
            "scripts/bootstrap*",
            "scripts/fontawesome*",
            "**/*.map",
            "*webpack-macros.html",
            "404.html",
            "root.html",
            "card-*.png",
            "vendored.toml",
        ):
            for path in static.glob(pattern):
                path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(InlineSvg)
    app.connect("builder-inited", mend_templates)
    app.connect("doctree-read", number_sections)
    app.connect("doctree-resolved", fold_long_outputs)
    # after notebooks.py, before the theme drops templates that come out empty
    app.connect("html-page-context", add_context, priority=400)
    app.connect("html-page-context", add_addresses, priority=450)
    app.connect("build-finished", remove_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
