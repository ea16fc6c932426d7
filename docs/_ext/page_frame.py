"""Around each page: the switch to the other language, and drawings that follow the colour mode."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri

LANGUAGES = {"en": ("en", "en", "English"), "zh_CN": ("zh", "zh-CN", "中文")}


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
                label = image.get("alt", "")
                image.replace_self(
                    nodes.raw("", f'<div class="drawing" role="img" aria-label="{label}">{svg}</div>', format="html")
                )


def add_languages(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    here = LANGUAGES[app.config.language]
    context["languages"] = [
        {
            "tag": tag,
            "name": name,
            "current": folder == here[0],
            "url": relative_uri(f"{here[0]}/{pagename}.html", f"{folder}/{pagename}.html"),
        }
        for folder, tag, name in LANGUAGES.values()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(InlineSvg)
    app.connect("html-page-context", add_languages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
