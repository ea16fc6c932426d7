"""What the prose states about results is covered by a cell, and both languages state the same."""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from pages import EXECUTED, PAGES, executed, stated
from transcripts import CELL, LANGUAGES, code_cells, words

REVIEWED = tomllib.loads(Path(__file__).with_name("claims_reviewed.toml").read_text(encoding="utf-8"))
# sources: years and numbers of sections are not results
UNCHECKED_SECTIONS = ("Further reading", "延伸阅读")
CODE = re.compile(r"(?<![`}])`([^`\n]+)`(?!`)")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?")
WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?")

pytestmark = [pytest.mark.usefixtures("site"), pytest.mark.no_cover]
each_executed_page = pytest.mark.parametrize("page", EXECUTED)


@dataclass(frozen=True)
class Section:
    """A section of a page: its heading, the numerals and code in its prose, and what its cells show."""

    heading: str
    numbers: Counter[str]
    code: Counter[str]
    evidence: str


def plain(text: str) -> str:
    """Write each number one way: 7,946 and 7_946 and 7{,}946 are 7946."""
    return re.sub(r"(?<=\d)(?:[,_]|\{,\})(?=\d{3}(?!\d))", "", text)


def evidence(language: str, page: str) -> list[str]:
    """Return for each cell of a page its source and all it showed."""
    shown = []
    for cell in code_cells(executed(language, page)):
        parts = [cell.source]
        for output in cell.outputs:
            parts += [output.get("text", ""), output.get("evalue", "")]
            parts += [" ".join(words(data)) for data in output.get("data", {}).values()]
        shown.append(plain("\n".join(parts)))
    return shown


def sections(language: str, page: str) -> list[Section]:
    source = stated(language, page).split("---\n", 2)[-1]
    shown = iter(evidence(language, page))
    found = []
    for part in re.split(r"^(?=## )", source, flags=re.MULTILINE):
        prose, cells = CELL.subn("", part)
        prose = re.sub(r"```.*?```", "", prose, flags=re.DOTALL)
        prose = re.sub(
            r"\]\([^)]*\)|^\([\w-]+\)=$|^\d+\. |\{[\w:]+\}`[^`]*`|<[^>\n]*>`", " ", prose, flags=re.MULTILINE
        )
        heading = part.splitlines()[0].lstrip("# ")
        found.append(
            Section(
                heading,
                Counter(NUMBER.findall(plain(CODE.sub(" ", prose)))),
                Counter(CODE.findall(prose)),
                "\n".join(next(shown) for _ in range(cells)),
            )
        )
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@each_executed_page
def test_numbers_and_code_in_the_prose_are_covered(language: str, page: str) -> None:
    every = sections(language, page)
    whole = "\n".join(section.evidence for section in every)
    reviewed = REVIEWED.get(page, {})
    uncovered = []
    for section in every:
        if section.heading in UNCHECKED_SECTIONS:
            continue
        # the introduction and the summary speak of the whole page
        seen = section.evidence if section.evidence and section is not every[0] else whole
        numbers, names = set(NUMBER.findall(seen)), set(WORD.findall(whole))
        uncovered += [(section.heading, number) for number in section.numbers if number not in numbers | set(reviewed)]
        uncovered += [
            (section.heading, code)
            for code in section.code
            if code not in reviewed and not set(WORD.findall(plain(code))) <= names
        ]
    assert uncovered == []


@pytest.mark.parametrize("page", PAGES)
def test_languages_state_the_same_numbers_and_code(page: str) -> None:
    english, chinese = (sections(language, page) for language in LANGUAGES)
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        where = f"{one.heading} / {other.heading}"
        assert set(one.numbers) == set(other.numbers), where
        assert set(one.code) == set(other.code), where


def test_reviewed_exceptions_are_needed() -> None:
    """An exception for something that no page says any more would hide the next mistake."""
    for page, exceptions in REVIEWED.items():
        said = {
            item
            for language in LANGUAGES
            for section in sections(language, page)
            for item in (*section.numbers, *section.code)
        }
        assert set(exceptions) <= said, page
