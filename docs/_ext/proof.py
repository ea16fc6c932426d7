"""Each page says what it proves, from the run that made it; the status page says it of all."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import execution
import transcripts
from docutils import nodes
from docutils.parsers.rst import Directive
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

KEY = "proof"
STATUS_PAGE = "status"
WORDS = {
    "en": {
        "line": "Executed with torch {torch} in this build: {cells} cells, {outputs} outputs, {checks} checks.",
        "accepted": "Every check passed, and every output is the one that was accepted.",
        "changed": "Every check passed; the outputs have changed and are not accepted yet.",
        "status": "Status of all pages",
        "head": ("Page", "Cells", "Outputs", "Checks", "Outputs accepted"),
        "all": "All pages",
        "yes": "all",
        "no": "not yet",
    },
    "zh_CN": {
        "line": "本页在构建本站时用 torch {torch} 执行：{cells} 个单元格，{outputs} 个输出，{checks} 处验证。",
        "accepted": "全部验证通过，全部输出都与审定的输出一致。",
        "changed": "全部验证通过；输出有变化，尚未审定。",
        "status": "全部页面的状态",
        "head": ("页面", "单元格", "输出", "验证", "输出已审定"),
        "all": "全部页面",
        "yes": "全部",
        "no": "尚未",
    },
}


def add_line(app: Sphinx, doctree: nodes.document) -> None:
    env = app.env
    notebook = execution.finished.get(Path(env.doc2path(env.docname)))
    if notebook is None:
        return
    env.note_dependency(str(transcripts.TRANSCRIPTS / f"{env.docname}.txt"))
    code = transcripts.code_cells(notebook)
    facts = {
        "torch": version("torch").partition("+")[0],
        "cells": len(code),
        "outputs": sum(len(cell.outputs) for cell in code),
        "checks": sum("assert" in cell.source for cell in code),
        "accepted": transcripts.agrees(transcripts.accepted_session(env.docname), transcripts.session(notebook)),
    }
    NbMetadataCollector.set_doc_data(env, env.docname, KEY, facts)
    words = WORDS[app.config.language]
    line = nodes.paragraph("", words["line"].format(**facts) + " ", classes=["proof-line"])
    line += nodes.Text(words["accepted" if facts["accepted"] else "changed"] + " ")
    line += addnodes.pending_xref(
        "",
        nodes.inline("", words["status"]),
        refdomain="std",
        reftype="doc",
        reftarget=f"/{STATUS_PAGE}",
        refexplicit=True,
        refdoc=env.docname,
        refwarn=True,
    )
    doctree.children[-1].append(line)


class StatusTable(nodes.General, nodes.Element):
    """Stands for the table until all pages have been read."""


class Status(Directive):
    """A table of what each page proves."""

    def run(self) -> list[nodes.Node]:
        return [StatusTable()]


def update_status_page(app: Sphinx, env: BuildEnvironment) -> list[str]:
    return [STATUS_PAGE] if STATUS_PAGE in env.all_docs else []


def fill_table(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    words = WORDS[app.config.language]
    for place in list(doctree.findall(StatusTable)):
        data = NbMetadataCollector.get_doc_data(app.env)
        facts = {name: data[name][KEY] for name in sorted(data) if KEY in data[name]}
        table = nodes.table(classes=["status"])
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in words["head"]), cols=len(words["head"]))
        head, body = nodes.thead("", _row(words["head"])), nodes.tbody()
        for name, of_page in facts.items():
            uri = app.builder.get_relative_uri(docname, name)
            link = nodes.reference("", app.env.titles[name].astext(), refuri=uri, internal=True)
            counts = (str(of_page[key]) for key in ("cells", "outputs", "checks"))
            body += _row((link, *counts, words["yes" if of_page["accepted"] else "no"]))
        totals = (str(sum(of_page[key] for of_page in facts.values())) for key in ("cells", "outputs", "checks"))
        whole = all(of_page["accepted"] for of_page in facts.values())
        body += _row((words["all"], *totals, words["yes" if whole else "no"]))
        group += [head, body]
        table += group
        place.replace_self(table)


def _row(cells: tuple[Any, ...]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        paragraph = nodes.paragraph("", "", cell) if isinstance(cell, nodes.Node) else nodes.paragraph("", cell)
        row += nodes.entry("", paragraph)
    return row


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(StatusTable)
    app.add_directive("page-status", Status)
    app.connect("doctree-read", add_line)
    app.connect("env-updated", update_status_page)
    app.connect("doctree-resolved", fill_table)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
