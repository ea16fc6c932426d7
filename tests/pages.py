"""The pages as they are written, as the build executed them, and as it published them."""

import inspect
import re
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from transcripts import CELL, DOCUMENTED, DRAWING, facts

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HTML = ROOT / "build" / "html"
WORK = ROOT / "build" / "work"

PAGES = sorted(path.relative_to(DOCS / "en").with_suffix("").as_posix() for path in (DOCS / "en").rglob("*.md"))
EXECUTED = [page for page in PAGES if CELL.search((DOCS / "en" / f"{page}.md").read_text(encoding="utf-8"))]

# a call, a name of several words
CODE_IN_DRAWING = re.compile(r"(?<!\S)[\w.]*(?:_\w|\(\))[\w.()]*(?!\S)")


@dataclass(frozen=True)
class Cell:
    """A cell that the build published."""

    source: str
    output: str


def written(language: str, page: str) -> str:
    return (DOCS / language / f"{page}.md").read_text(encoding="utf-8")


def stated(language: str, page: str) -> str:
    """Return a page as it is written, with what its drawings, and the signatures and docstrings on it, say."""
    folder = (DOCS / language / page).parent

    def drawing(match: re.Match[str]) -> str:
        said = facts("image/svg+xml", (folder / match["file"]).read_text(encoding="utf-8"))
        return f"{match[0]}\n\n" + CODE_IN_DRAWING.sub(r"`\g<0>`", said)

    def docstrings(match: re.Match[str]) -> str:
        import blockbook

        names = [match["name"], *(f"{match['name']}.{member}" for member in re.findall(r"\w+", match["members"] or ""))]
        shown = {name: attrgetter(name)(blockbook) for name in names}
        return "\n".join(f"{name}{inspect.signature(value)}\n{inspect.getdoc(value)}" for name, value in shown.items())

    return DOCUMENTED.sub(docstrings, DRAWING.sub(drawing, written(language, page)))


def executed(language: str, page: str) -> nbformat.NotebookNode:
    """Return the notebook that the build executed, an empty one for a page without cells."""
    if page not in EXECUTED:
        return nbformat.v4.new_notebook()
    return nbformat.read(WORK / language / "jupyter_execute" / f"{page}.ipynb", as_version=4)


@cache
def published(language: str, page: str) -> Tag:
    return BeautifulSoup((HTML / language / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


@cache
def cells(language: str, page: str) -> list[Cell]:
    return [
        Cell(
            source="\n".join(part.get_text() for part in cell.select(".cell_input pre")).strip(),
            output="\n".join(part.get_text() for part in cell.select(".cell_output > *")).strip(),
        )
        for cell in published(language, page).select("div.cell")
    ]


def output(language: str, page: str, code: str) -> str:
    """Return what the page shows below the first cell whose source ends with ``code``."""
    found = [cell for cell in cells(language, page) if cell.source.endswith(code)]
    assert found, f"{language}/{page} has no cell that ends with {code!r}"
    return found[0].output
