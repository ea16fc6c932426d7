"""What a page shows, as text that a person can read and a test can compare.

A page has one transcript for both languages: its cells with all they printed, returned or raised,
then the claims of *What we proved* in both languages, then a digest of each section's prose.
"""

import hashlib
import math
import re
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = ROOT / "tests" / "transcripts"
LANGUAGES = ("en", "zh")
XML_DECLARATION = '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
PROSE = "=== what the prose states ==="
CELL = re.compile(
    r"^```\{code-cell\} python\n(?P<tags>---\n.*?\n---\n|(?::[^\n]*\n)*)\n?(?P<source>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DRAWING = re.compile(r"!\[[^]]*\]\((?P<file>[^)]+\.svg)\)")
DOCUMENTED = re.compile(r"^\.\. auto\w+:: blockbook\.(?P<name>\S+)\n(?:   :members: (?P<members>.*)\n)?", re.MULTILINE)
OUTPUT = re.compile(r"^((?!In )\S+ \d+:\n(?: {4}.*\n|\n)*)", re.MULTILINE)
FLOAT = re.compile(r"(?<![\w.])-?\d+\.\d{4,}(?:e[-+]\d+)?")
CLAIM = re.compile(r"^- (?P<sentence>.*?)\s*\[[^]]*\]\(#(?P<label>proof-[\w-]+)\)$", re.MULTILINE)


def transcript(notebook: NotebookNode, prose: dict[str, str]) -> str:
    """Write an executed page and what its prose states in each language."""
    return f"{session(notebook)}\n{PROSE}\n\n{_statements(prose)}"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def session(notebook: NotebookNode) -> str:
    """Write an executed page as a session log."""
    blocks = []
    for number, cell in enumerate(code_cells(notebook), 1):
        tags = "".join(f"  [{tag}]" for tag in cell.metadata.get("tags", ()))
        blocks.append((f"In {number}:{tags}", cell.source))
        for output in cell.outputs:
            if output.output_type == "stream":
                blocks.append((f"{output.name} {number}:", output.text))
            elif output.output_type == "error":
                blocks.append((f"raised {number}:", f"{output.ename}: {output.evalue}"))
            else:
                blocks += [(f"{kind} {number}:", facts(kind, data)) for kind, data in sorted(output.data.items())]
    return _joined(blocks)


def _statements(prose: dict[str, str]) -> str:
    blocks = []
    claims = {language: {m["label"]: m["sentence"] for m in CLAIM.finditer(prose[language])} for language in LANGUAGES}
    for label in claims["en"]:
        blocks.append((f"{label}:", "\n".join(claims[language].get(label, "") for language in LANGUAGES)))
    for language in LANGUAGES:
        blocks.append((f"prose {language}:", "\n".join(_prose_digests(prose[language]))))
    return _joined(blocks)


def _joined(blocks: list[tuple[str, str]]) -> str:
    return "\n".join(f"{head}\n{_indented(body)}\n" for head, body in blocks)


def agrees(accepted: str, found: str) -> bool:
    """Compare exactly, but for the last digit of outputs with four decimals or more: processors round differently."""
    (exact, floats), (exact_found, floats_found) = _split(accepted), _split(found)
    return exact == exact_found and all(
        math.isclose(float(one), float(other), rel_tol=0, abs_tol=1.5 * _last_place(one))
        for one, other in zip(floats, floats_found, strict=True)
    )


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return what must match exactly, and the floats between it."""
    parts = OUTPUT.split(text)
    exact = [piece for number, part in enumerate(parts) for piece in (FLOAT.split(part) if number % 2 else [part])]
    return exact, [number for part in parts[1::2] for number in FLOAT.findall(part)]


def _last_place(number: str) -> float:
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def accepted_session(page: str) -> str:
    """Return the session part of a page's transcript, empty if it has none."""
    path = TRANSCRIPTS / f"{page}.txt"
    return path.read_text(encoding="utf-8").partition(f"\n{PROSE}\n")[0] if path.exists() else ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").splitlines())


def facts(kind: str, data: str) -> str:
    """Return plain text as it is, and of anything else its words and a digest of its form."""
    if kind == "text/plain":
        return data
    # another processor moves a curve by less than anyone can see: digest the form, not the coordinates
    form = re.sub(r"[-+]?\d+\.\d+", "#", data) if kind == "image/svg+xml" else data
    return f"{_digest(form)} {' | '.join(words(data))}"


def words(data: str) -> list[str]:
    """Return the text of an output in HTML or SVG, without markup and metadata."""
    # a drawing begins with an XML declaration, which an HTML parser warns about
    output = BeautifulSoup(data.removeprefix(XML_DECLARATION), "html.parser")
    labels = output.select("svg text")
    return [" ".join(label.get_text().split()) for label in labels] or list(output.stripped_strings)


def _prose_digests(source: str) -> list[str]:
    # where a cell stands among the paragraphs is part of what they say
    sections = re.split(r"^(?=#+ )", CELL.sub("(a cell)", source), flags=re.MULTILINE)
    return [f"{_digest(section)} {section.splitlines()[0]}" for section in sections if section.startswith("#")]


def _digest(text: str) -> str:
    """Return a digest in letters only: 12e3456 would be compared as a number."""
    return hashlib.sha256(text.encode()).hexdigest()[:12].translate(str.maketrans("0123456789", "ghijklmnop"))
