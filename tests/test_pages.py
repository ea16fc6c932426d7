"""The two languages agree, every cell ran, and what the pages show is what the transcripts say."""

import io
import re
import tokenize
from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, EXECUTED, HTML, PAGES, ROOT, cells, executed, stated, written
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from transcripts import CELL, LANGUAGES, TRANSCRIPTS, agrees, code_cells, transcript

LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)

pytestmark = [pytest.mark.usefixtures("site"), pytest.mark.no_cover]
each_language = pytest.mark.parametrize("language", LANGUAGES)
each_page = pytest.mark.parametrize("page", PAGES)
each_executed_page = pytest.mark.parametrize("page", EXECUTED)


def test_languages_have_the_same_files() -> None:
    english, chinese = (
        {path.relative_to(DOCS / language).as_posix() for path in (DOCS / language).rglob("*") if path.is_file()}
        for language in LANGUAGES
    )
    assert english == chinese


@each_page
def test_languages_have_the_same_labels(page: str) -> None:
    assert LABEL.findall(written("en", page)) == LABEL.findall(written("zh", page))


@each_page
def test_languages_have_the_same_cells(page: str) -> None:
    english, chinese = ([match.group(0) for match in CELL.finditer(written(language, page))] for language in LANGUAGES)
    assert english == chinese


@each_executed_page
def test_cells_are_small_and_need_no_translation(page: str) -> None:
    for match in CELL.finditer(written("en", page)):
        source = match["source"]
        assert "hide-cell" in match["tags"] or source.strip().count("\n") < 13, source
        assert max(map(len, source.splitlines())) <= (125 if "hide-cell" in match["tags"] else 80), source
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        assert not [token.string for token in tokens if token.type == tokenize.COMMENT], source
        assert source.isascii(), source


@each_language
@each_executed_page
def test_every_cell_ran_and_is_published(language: str, page: str) -> None:
    sources = [match["source"].strip() for match in CELL.finditer(written(language, page))]
    ran = code_cells(executed(language, page))
    assert [cell.execution_count for cell in ran] == list(range(1, len(sources) + 1))
    assert [cell.source.strip() for cell in ran] == sources
    assert [cell.source for cell in cells(language, page)] == sources


@each_language
@each_executed_page
def test_failures_show_one_line_and_were_expected(language: str, page: str) -> None:
    for cell in executed(language, page).cells:
        raised = [output for output in cell.get("outputs", ()) if output.output_type == "error"]
        assert bool(raised) == ("raises-exception" in cell.metadata.get("tags", ())), cell.source
        for output in raised:
            assert output.traceback == [f"{output.ename}: {output.evalue}"]


class TranscriptExtension(SingleFileSnapshotExtension):
    """One readable file a page, compared exactly but for floats, which may differ in their last digit."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        return str(TRANSCRIPTS)

    @classmethod
    def get_location(cls, *, test_location: Any, index: Any) -> str:
        return str(TRANSCRIPTS / f"{index}.txt")

    @classmethod
    def matches_test_location(cls, *, test_location: Any, snapshot_location: str) -> bool:
        return TRANSCRIPTS in Path(snapshot_location).parents

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        return agrees(snapshot_data, serialized_data)


@each_language
@each_page
def test_transcript(language: str, page: str, snapshot: Any) -> None:
    prose = {each: stated(each, page) for each in LANGUAGES}
    assert transcript(executed(language, page), prose) == snapshot(extension_class=TranscriptExtension, name=page)


def test_transcripts_are_of_pages() -> None:
    assert {path.relative_to(TRANSCRIPTS).with_suffix("").as_posix() for path in TRANSCRIPTS.rglob("*.txt")} == set(
        PAGES
    )


@pytest.mark.parametrize(
    ("accepted", "found"),
    [
        ("In 1:\n    lr=0.1\n", "In 1:\n    lr=0.2\n"),
        ("In 1:\n    atol=1e-6\n", "In 1:\n    atol=2e-6\n"),
        ("text/plain 1:\n    tensor([2., 2.])\n", "text/plain 1:\n    tensor([1., 2.])\n"),
        ("text/plain 1:\n    (0.5, 1e-04)\n", "text/plain 1:\n    (0.5, 2e-04)\n"),
        ("text/plain 1:\n    0.123\n", "text/plain 1:\n    0.124\n"),
        ("text/plain 1:\n    tensor([0.0487])\n", "text/plain 1:\n    tensor([0.0489])\n"),
        ("text/plain 1:\n    tensor([0.0487])\n", "text/plain 1:\n    tensor([0.0487, 0.0487])\n"),
        ("proof-x:\n    It is 1.2345.\n", "proof-x:\n    It is 1.2346.\n"),
    ],
)
def test_transcripts_differ(accepted: str, found: str) -> None:
    assert not agrees(accepted, found)


def test_transcripts_agree_but_for_the_last_of_four_decimals() -> None:
    assert agrees("stdout 1:\n    tensor([ 0.0487, -1.2000e-05])\n", "stdout 1:\n    tensor([ 0.0488, -1.1999e-05])\n")


@each_page
def test_each_claim_links_to_the_cell_that_proves_it(page: str) -> None:
    labels = {label for label in LABEL.findall(written("en", page)) if label.startswith("proof-")}
    for language in LANGUAGES:
        source = written(language, page)
        assert set(re.findall(r"\(#(proof-[\w-]+)\)", source)) == labels
        for label in labels:
            after = CELL.match(source[source.index(f"({label})=") + len(f"({label})=") :].lstrip("\n"))
            assert after, f"{label} stands before no cell"
            assert "hide-cell" in after["tags"]
            assert "assert" in after["source"]


PRIVATE = re.compile(rb"\b0x[0-9a-f]{6,}|/tmp/|/home/|/root/|ipykernel_|site-packages|" + re.escape(bytes(ROOT)))


def test_nothing_published_holds_an_address_or_a_path_of_the_machine() -> None:
    texts = [path for path in HTML.rglob("*") if path.suffix in {".html", ".ipynb", ".js", ".json", ".txt", ".svg"}]
    assert len(texts) >= 2 * len(PAGES)
    found = {str(path.relative_to(HTML)): PRIVATE.findall(path.read_bytes()) for path in texts}
    assert {name: finds for name, finds in found.items() if finds} == {}
