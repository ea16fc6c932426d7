"""Each executed page as a notebook with its outputs, beside the page, and all of a language as one zip."""

import zipfile
from pathlib import Path
from typing import Any

import nbformat
from hosting import REPOSITORY_URL
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx.application import Sphinx
from transcripts import code_cells

INSTALL = """import importlib.util

if importlib.util.find_spec("blockbook") is None:
    %pip install --quiet "blockbook @ git+{}\""""
NOTE = {
    "en": "This notebook needs the package `blockbook`, which is not on PyPI: "
    "run `pip install .` in the folder of the book's source.",
    "zh_CN": "本笔记本需要 `blockbook` 包。它不在 PyPI 上：请在本书源码的文件夹中运行 `pip install .`。",
}


def publish_notebook(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if app.builder.name != "html":
        return
    context.update(all_notebooks="notebooks.zip", folder=Path(app.srcdir).name)
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if not executed.exists() or doctree is None:
        return
    notebook = nbformat.read(executed, as_version=4)
    if not code_cells(notebook):
        return
    first = (
        new_code_cell(INSTALL.format(REPOSITORY_URL))
        if REPOSITORY_URL
        else new_markdown_cell(NOTE[app.config.language])
    )
    notebook.cells.insert(0, first)
    for number, cell in enumerate(notebook.cells):
        # nbformat's own are random, and the same commit builds the same bytes
        cell["id"] = f"cell-{number}"
    target = Path(app.outdir, f"{pagename}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    context["notebook"] = f"{pagename.rpartition('/')[2]}.ipynb"


def zip_notebooks(app: Sphinx, exception: Exception | None) -> None:
    if app.builder.name != "html" or exception is not None:
        return
    notebooks = {name: Path(app.outdir, f"{name}.ipynb") for name in sorted(app.env.found_docs)}
    files = {f"blockbook/{name}.ipynb": path.read_bytes() for name, path in notebooks.items() if path.exists()}
    write_zip(Path(app.outdir, "notebooks.zip"), files)


def write_zip(target: Path, files: dict[str, bytes], stored: frozenset[str] = frozenset()) -> None:
    """Write the same bytes in each build: files have no dates of their own."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            # ZipInfo's default lets nobody read what is unzipped
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", publish_notebook, priority=300)
    app.connect("build-finished", zip_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
