"""Change one thing at a time in a copy of the book, and see whether the checks notice: ``make mutants``.

Pages, transcripts and docstrings are mutated here, the package's functions by mutmut. A mutant is
killed if the build stops or a test fails. One that changes no cell is tested on the site as it was
built before: the build would execute the same cells.
"""

import argparse
import ast
import contextlib
import doctest
import json
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

from transcripts import CELL, CLAIM, DOCUMENTED, DRAWING, LANGUAGES, PROSE  # noqa: E402

# a run in the book's own folder makes a copy of it, and goes on as the copy's own tests/mutants.py
COPY, PRISTINE = ROOT / "build" / "mutants" / "copy", ROOT.with_name("pristine")
PACKAGE_TARGET = 0.95
OPPOSITE = {
    "en": {"equal": "different", "once": "twice", "same": "other", "before": "after", "first": "second"}
    | {"one": "two", "two": "three", "every": "no", "never": "always", "not": "indeed", "largest": "smallest"},
    "zh": {
        "相等": "不同",
        "一次": "两次",
        "同一": "另一",
        "之前": "之后",
        "第一": "第二",
        "两个": "三个",
        "每个": "有些",
    }
    | {"没有": "都有", "不会": "总会", "不是": "就是"},
}
UNTYING = [
    (r"tie\((.+), (.+)\)", r"\1.weight.data.copy_(\2.weight.data)"),
    (r"(\w[\w.\[\]]*\.weight) = (\w[\w.\[\]]*\.weight)$", r"\1 = nn.Parameter(\2.detach().clone())"),
    (r"(shared|layer), (nn\.\w+\(\)),(\s+)\1", r"\1, \2,\3nn.Linear(8, 8)"),
    (r"= copy\.deepcopy\((\w+)\)$", r"= copy.deepcopy(\1); untie(\1)"),
    (r"restore_ties\((.+)\)", r"\1"),
]


@dataclass(frozen=True)
class Mutant:
    """New texts for some files, ``None`` for one that is removed."""

    kind: str
    change: str
    files: dict[str, str | None]
    page: str = ""
    rebuild: bool = False


# What is mutated, read from the copy


def page_path(language: str, page: str) -> str:
    return f"docs/{language}/{page}.md"


def transcript_path(page: str) -> str:
    return f"tests/transcripts/{page}.txt"


def read(path: str) -> str:
    return (PRISTINE / path).read_text(encoding="utf-8")


def replaced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def brief(text: str, start: int, end: int, new: str) -> str:
    line, old = text.count("\n", 0, start) + 1, text[start:end] if end - start < 60 else text[start : start + 60] + "…"
    return f"{line}: {text[max(0, start - 25) : start]}[{old} → {new}]{text[end : end + 15]}".replace("\n", "⏎")


def other_digit(text: str, at: int) -> str:
    """Return the next digit, or a far one where the tolerance for floats would let the next one pass."""
    tolerated = re.search(r"\.\d{3,}$", text[:at]) and not text[at + 1 : at + 2].isdigit()
    return str((int(text[at]) + (5 if tolerated else 1)) % 10)


def in_file(kind: str, path: str, page: str, start: int, end: int, new: str) -> Mutant:
    text = read(path)
    change = f"{path}:{brief(text, start, end, new)}"
    return Mutant(kind, change, {path: replaced(text, start, end, new)}, page)


def in_cells(kind: str, page: str, number: int, start: int, end: int, new: str) -> Mutant:
    """Change a cell in both languages, at the same place from its beginning."""
    files, change = {}, ""
    for language in LANGUAGES:
        text = read(page_path(language, page))
        cell = list(CELL.finditer(text))[number].start()
        files[page_path(language, page)] = replaced(text, cell + start, cell + end, new)
        change = change or f"docs/*/{page}.md:{brief(text, cell + start, cell + end, new)}"
    return Mutant(kind, change, files, page, rebuild=True)


def sources(page: str) -> Iterator[tuple[int, str, int]]:
    """Yield for each cell its number, its text, and where its source begins in it."""
    for number, cell in enumerate(CELL.finditer(read(page_path("en", page)))):
        yield number, cell[0], cell.start("source") - cell.start()


def outputs(page: str) -> Iterator[tuple[int, int]]:
    """Yield where the outputs stand in a transcript."""
    text = read(transcript_path(page)).partition(PROSE)[0]
    for block in re.finditer(r"^(?!In )\S+ \d+:\n((?:    .*\n|\n)+)", text, re.MULTILINE):
        yield block.span(1)


def prose(language: str, page: str) -> Iterator[tuple[int, int]]:
    """Yield where prose stands in a page: neither front matter, nor cells, labels, targets of links and sources."""
    text = read(page_path(language, page))
    other = rf"\A---\n.*?\n---\n|{CELL.pattern}|```.*?^```$|^\([\w-]+\)=$|\]\([^)\n]*\)|^\d+\. |\{{[\w:]+\}}`[^`]*`"
    at = 0
    end = re.search(r"^## (?:Further reading|延伸阅读)|\Z", text, re.MULTILINE).start()
    for match in re.finditer(re.sub(r"\(\?P<\w+>", "(?:", other), text, re.MULTILINE | re.DOTALL):
        yield at, min(match.start(), end)
        at = match.end()
    yield at, end


# Kinds of mutants: each takes a page and yields all that it finds there


def found(pattern: str, text: str, spans: Iterator[tuple[int, int]]) -> Iterator[re.Match[str]]:
    for start, end in spans:
        yield from re.compile(pattern, re.MULTILINE).finditer(text, start, max(start, end))


def output_digit(page: str) -> Iterator[Mutant]:
    text = read(transcript_path(page))
    for match in found(r"\d", text, outputs(page)):
        new = other_digit(text, match.start())
        yield in_file("output: digit", transcript_path(page), page, *match.span(), new)


def output_shape(page: str) -> Iterator[Mutant]:
    text = read(transcript_path(page))
    for match in found(r"(?<=[(\[])\d+(?=(?:, ?\d+)*,?[)\]])", text, outputs(page)):
        yield in_file("output: shape", transcript_path(page), page, *match.span(), str(int(match[0]) + 1))


def output_name(page: str) -> Iterator[Mutant]:
    text = read(transcript_path(page))
    for match in found(r"(?<=[.'])(weight|bias)(?=')", text, outputs(page)):
        new = {"weight": "bias", "bias": "weight"}[match[0]]
        yield in_file("output: name", transcript_path(page), page, *match.span(), new)


def output_word(page: str) -> Iterator[Mutant]:
    text = read(transcript_path(page))
    swap = {"True": "False", "False": "True", "ValueError": "TypeError", "tied": "equal", "None": "0"}
    for match in found(r"\b(?:" + "|".join(swap) + r")\b", text, outputs(page)):
        yield in_file("output: word", transcript_path(page), page, *match.span(), swap[match[0]])


def cell_digit(page: str) -> Iterator[Mutant]:
    for number, cell, source in sources(page):
        for match in re.compile(r"(?<![\w.\"'])\d+(?:\.\d+)?").finditer(cell, source):
            at = match.end() - 1
            yield in_cells("cell: digit", page, number, at, at + 1, str((int(cell[at]) + 1) % 10))


def cell_shape(page: str) -> Iterator[Mutant]:
    for number, cell, source in sources(page):
        for match in re.compile(r"(?:Linear|rand|randn|zeros|ones|Embedding)\((\d+)").finditer(cell, source):
            yield in_cells("cell: shape", page, number, *match.span(1), str(int(match[1]) + 1))


def cell_name(page: str) -> Iterator[Mutant]:
    for number, cell, source in sources(page):
        for match in re.compile(r"(?<=[\w\]]\.)(weight|bias)\b|(?<=[.\"'])(weight|bias)(?=[\"'])").finditer(
            cell, source
        ):
            new = {"weight": "bias", "bias": "weight"}[match[0]]
            yield in_cells("cell: name", page, number, *match.span(), new)


def broken_tie(page: str) -> Iterator[Mutant]:
    for number, cell, source in sources(page):
        for pattern, new in UNTYING:
            for match in re.compile(pattern, re.MULTILINE).finditer(cell, source):
                yield in_cells("cell: broken tie", page, number, *match.span(), match.expand(new))


def dropped_cell(page: str) -> Iterator[Mutant]:
    for number, cell, _ in sources(page):
        yield in_cells("cell: dropped", page, number, 0, len(cell), "")


def reordered_cells(page: str) -> Iterator[Mutant]:
    for number in range(len(list(sources(page))) - 1):
        files = {}
        for language in LANGUAGES:
            text = read(page_path(language, page))
            first, second = list(CELL.finditer(text))[number : number + 2]
            between = text[first.end() : second.start()]
            files[page_path(language, page)] = replaced(
                text, first.start(), second.end(), second[0] + between + first[0]
            )
        yield Mutant("cell: reordered", f"docs/*/{page}.md: cells {number + 1} and {number + 2}", files, page, True)


def moved_cell(page: str) -> Iterator[Mutant]:
    """Put a cell behind the next paragraph, without another cell between."""
    for number in range(len(list(sources(page)))):
        files = {}
        for language in LANGUAGES:
            text = read(page_path(language, page))
            cell = list(CELL.finditer(text))[number]
            after = re.compile(r"\n\n(?!```|#|\(|\$)[^\n]+(?=\n)").match(text, cell.end())
            if after:
                files[page_path(language, page)] = replaced(
                    text, cell.start(), after.end(), after[0].strip("\n") + "\n\n" + cell[0]
                )
        if len(files) == len(LANGUAGES):
            yield Mutant(
                "cell: moved", f"docs/*/{page}.md: cell {number + 1}, behind the next paragraph", files, page, True
            )


def cell_of_one_language(page: str) -> Iterator[Mutant]:
    for language in LANGUAGES:
        path = page_path(language, page)
        for cell in CELL.finditer(read(path)):
            for match in re.compile(r"(?<=[(, \[])\d+(?=[,)\]])|True|weight|hide-cell").finditer(cell[0]):
                new = {"True": "bool(1)", "weight": "bias", "hide-cell": "hide-input"}.get(match[0], f"{match[0]}_0")
                start = cell.start() + match.start()
                yield in_file("cell: one language", path, page, start, start + len(match[0]), new)


def raises_tag(page: str) -> Iterator[Mutant]:
    tag = ":tags: [raises-exception]\n\n"
    for number, cell, source in sources(page):
        if tag in cell:
            start = cell.index(tag)
            yield in_cells("cell: raises-exception", page, number, start, start + len(tag), "")
        elif ":tags:" not in cell:
            yield in_cells("cell: raises-exception", page, number, source, source, tag)


def prose_number(page: str) -> Iterator[Mutant]:
    for language in LANGUAGES:
        path = page_path(language, page)
        for match in found(r"(?<![\w.`])\d+(?![\w`])", read(path), prose(language, page)):
            yield in_file("prose: number", path, page, *match.span(), str(int(match[0]) + 1))


def prose_number_of_both(page: str) -> Iterator[Mutant]:
    """Change a number wherever it stands, in both languages: only what the cells show speaks against it."""
    numbers = r"(?<![\w.,`])\d[\d,]*(?:\.\d+)?(?![\w`])"
    texts = {language: read(page_path(language, page)) for language in LANGUAGES}
    places = {language: list(found(numbers, text, prose(language, page))) for language, text in texts.items()}
    for number in sorted({match[0] for match in places["en"]} & {match[0] for match in places["zh"]}):
        new = number[:-1] + str((int(number[-1]) + 1) % 10) if number[-1].isdigit() else number
        files = {}
        for language, text in texts.items():
            for match in reversed(places[language]):
                if match[0] == number and new != number:
                    text = replaced(text, *match.span(), new)
            files[page_path(language, page)] = text
        if new != number:
            yield Mutant("prose: number, both", f"docs/*/{page}.md: each {number} → {new}", files, page)


def prose_word(page: str) -> Iterator[Mutant]:
    for language in LANGUAGES:
        path, edge = page_path(language, page), r"\b" if language == "en" else ""
        words = "|".join(OPPOSITE[language])
        for match in found(f"{edge}(?:{words}){edge}", read(path), prose(language, page)):
            yield in_file("prose: word", path, page, *match.span(), OPPOSITE[language][match[0]])


def prose_code(page: str) -> Iterator[Mutant]:
    for language in LANGUAGES:
        path = page_path(language, page)
        for match in found(r"(?<!`)`([^`\n]+)`(?!`)", read(path), prose(language, page)):
            end = match.end(1)
            yield in_file("prose: code", path, page, end - 1, end, "_x" if match[1][-1] != ")" else ", x)")


def proved_sentence(page: str) -> Iterator[Mutant]:
    for language in LANGUAGES:
        path = page_path(language, page)
        for claim in CLAIM.finditer(read(path)):
            words = list(re.compile(r"\w+").finditer(read(path), *claim.span("sentence")))
            yield in_file("claim: sentence", path, page, *words[len(words) // 2].span(), "never")


def proved_link(page: str) -> Iterator[Mutant]:
    for language in LANGUAGES:
        path = page_path(language, page)
        for link in re.finditer(r" ?\[[^]\n]*\]\(#proof-[\w-]+\)", read(path)):
            yield in_file("claim: link", path, page, *link.span(), "")


def proof_label(page: str) -> Iterator[Mutant]:
    """Drop the label of a cell in both languages, with the claim that links to it."""
    for label in re.findall(r"^\((proof-[\w-]+)\)=$", read(page_path("en", page)), re.MULTILINE):
        files = {}
        for language in LANGUAGES:
            text = read(page_path(language, page)).replace(f"({label})=\n", "")
            files[page_path(language, page)] = re.sub(rf"^- .*\(#{label}\)\n", "", text, flags=re.MULTILINE)
        yield Mutant("claim: dropped", f"docs/*/{page}.md: {label}", files, page)


def transcript_claim(page: str) -> Iterator[Mutant]:
    path = transcript_path(page)
    text = read(path)
    for word in re.compile(r"\w{3,}").finditer(text, text.index(PROSE) + len(PROSE)):
        if not word[0].startswith(("proof", "prose")):
            yield in_file(
                "output: prose", path, page, *word.span(), word[0][:-1] + ("0" if word[0][-1] != "0" else "1")
            )


def drawing_label(page: str) -> Iterator[Mutant]:
    """Change a number or a word in a page's drawing, in both languages if it is in both."""
    for drawing in DRAWING.finditer(read(page_path("en", page))):
        paths = [str(Path(page_path(language, page)).with_name(drawing["file"])) for language in LANGUAGES]
        for label in re.finditer(r"(?<=>)[^<>\n]*?(\w+)[^<>\n]*(?=</t)", read(paths[0])):
            start, end = (at - label.start() for at in label.span(1))
            new = str(int(label[1]) + 1) if label[1].isdecimal() else f"{label[1]}s"
            changed = replaced(label[0], start, end, new)
            files = {path: read(path).replace(f">{label[0]}<", f">{changed}<", 1) for path in paths}
            yield Mutant("drawing", f"{paths[0]}: {label[0]} → {changed}", files, page)


def files_of(page: str) -> Iterator[Mutant]:
    text = read(transcript_path(page))
    yield Mutant("files", f"no {transcript_path(page)}", {transcript_path(page): None})
    yield Mutant("files", f"{transcript_path(page + '_old')} without a page", {transcript_path(page + "_old"): text})
    yield Mutant("files", f"no cells in the transcript of {page}", {transcript_path(page): ""}, page)
    for language in LANGUAGES:
        path = page_path(language, page)
        yield Mutant("files", f"{path} only", {page_path(language, page + "_new"): read(path)})
        yield Mutant("files", f"no {path}", {path: None})


PAGE_KINDS: list[Callable[[str], Iterator[Mutant]]] = [
    output_digit,
    output_shape,
    output_name,
    output_word,
    transcript_claim,
    cell_digit,
    cell_shape,
    cell_name,
    broken_tie,
    dropped_cell,
    reordered_cells,
    moved_cell,
    cell_of_one_language,
    raises_tag,
    prose_number,
    prose_number_of_both,
    prose_word,
    prose_code,
    proved_sentence,
    proved_link,
    proof_label,
    drawing_label,
    files_of,
]


def docstring_prose(path: str) -> Iterator[Mutant]:
    """Change a word or a number in a docstring of the API page, outside its examples."""
    if not path.endswith(".py"):
        return
    text, shown = read(path), {match["name"] for match in DOCUMENTED.finditer(read(page_path("en", "api")))}
    for node in ast.parse(text).body:
        if getattr(node, "name", "") in shown and (doc := ast.get_docstring(node, clean=False)):
            start = text.index(doc)
            for match in re.compile(r"\b(?:\d+|[a-z]{4,})\b").finditer(text, start, start + doc.find(">>>")):
                new = str(int(match[0]) + 1) if match[0].isdecimal() else f"un{match[0]}"
                yield in_file("docstring: prose", path, "", *match.span(), new)


def signature(path: str) -> Iterator[Mutant]:
    """Let an argument that must be named be given by its place, or change a default."""
    if not path.endswith(".py") or Path(path).name.startswith("_"):
        return
    text = read(path)
    swap = {"*, ": "", "True": "False", "False": "True", "None": "True"}
    for line in re.finditer(r"^ *def (?:__init__|[a-z]\w*)\(.*", text, re.MULTILINE):
        for match in re.compile(r"\*, |(?<== )(?:\d[\d.]*|True|False|None)|(?<== \")\w+").finditer(text, *line.span()):
            yield in_file("signature", path, "", *match.span(), swap.get(match[0], f"{match[0]}1"))


def docstring_values(path: str) -> Iterator[Mutant]:
    """Change what an example in a docstring, or in the README, is expected to print."""
    text = read(path)
    if path.endswith(".py"):
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        docs = [ast.get_docstring(node, clean=False) or "" for node in nodes]
    else:
        docs = [text]
    for doc in docs:
        for example in doctest.DocTestParser().get_examples(doc):
            want = example.want.strip()
            start = text.index(doc)
            start = text.index(want.splitlines()[0], start + doc.index(example.source.splitlines()[0])) if want else -1
            for match in re.finditer(r"\d|True|False|[a-z]{4,}", want.splitlines()[0] if want else ""):
                new = {"True": "False", "False": "True"}.get(match[0], match[0] + "s")
                new = str((int(new[0]) + 1) % 10) if match[0].isdigit() else new
                yield in_file("docstring", path, "", start + match.start(), start + match.end(), new)


# Trying them


def continue_in_copy() -> None:
    """Copy the book, uncommitted changes too, and run this file there."""
    shutil.rmtree(COPY.parent, ignore_errors=True)
    ignored = shutil.ignore_patterns(".git", "build", "mutants", ".venv", ".*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, COPY, ignore=ignored)
    os.environ.update(PYTHONPATH=str(COPY / "src"), PYTHONHASHSEED="0", OMP_NUM_THREADS="1")
    os.environ["MATPLOTLIBRC"] = str(COPY / "docs" / "_ext" / "matplotlibrc")
    os.chdir(COPY)
    os.execv(sys.executable, [sys.executable, str(COPY / "tests" / "mutants.py"), *sys.argv[1:]])


def warm_up() -> None:
    """Build the copy and keep what was built; import once what every test imports."""
    code, log = run_build()
    if code:
        sys.exit(f"The unchanged copy does not build:\n{log}")
    shutil.copytree(ROOT, PRISTINE)
    sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "tests")]
    import torch._dynamo
    import torch.testing  # noqa: F401


def run_build() -> tuple[int, str]:
    """Return the exit code of a build of the copy, and what it said."""
    build = subprocess.run(
        [sys.executable, "docs/build.py"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return build.returncode, build.stdout


class SiteIsBuilt:
    """Stands for the fixture that builds the site, where the build has run already."""

    def pytest_fixture_setup(self, fixturedef: object, request: object) -> bool | None:
        if fixturedef.argname != "site":
            return None
        fixturedef.cached_result = (None, fixturedef.cache_key(request), None)
        return True


def run_tests(arguments: list[str]) -> int:
    import pytest

    options = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*options, *arguments], plugins=[SiteIsBuilt()]))


def in_child(function: Callable[[], int], seconds: float = 300) -> tuple[int, str]:
    """Run in a fork of this process; return its exit code, 1 if it took too long, and what it printed."""
    log = ROOT.with_name("log.txt")

    def child() -> None:
        sys.stdout.flush()
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            os.setsid()
            code = function()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return 1, "ran too long"
    return process.exitcode or 0, log.read_text(encoding="utf-8", errors="replace")


CHECKS = ["tests/test_pages.py", "tests/test_claims.py", "tests/test_seed.py"]


FILE_KINDS = {docstring_values: ["--doctest-modules"], docstring_prose: CHECKS, signature: CHECKS}


def killer(mutant: Mutant, tests: list[str]) -> str:
    """Return what turned red in the mutated copy, nothing if all stayed green."""
    try:
        for path, text in mutant.files.items():
            if text is None:
                (ROOT / path).unlink()
            else:
                (ROOT / path).write_text(text, encoding="utf-8")
        if mutant.rebuild:
            code, log = run_build()
            if code:
                return "the build: " + (log.strip().splitlines() or ["stopped"])[-1]
        if mutant.kind == "docstring":
            tests = [*tests, *mutant.files]
        for arguments in ([*tests, "-k", mutant.page], tests) if mutant.page else (tests,):
            code, log = in_child(partial(run_tests, arguments))
            # 5: no test has this name
            if code not in (0, 5):
                failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", log, re.MULTILINE)
                return failed[1] if failed else f"pytest: {log.strip()[-200:]}"
        return ""
    finally:
        for path in mutant.files:
            with contextlib.suppress(FileNotFoundError):
                (ROOT / path).unlink()
            if (PRISTINE / path).exists():
                # with its time: Sphinx reads again what is newer than the last build
                shutil.copy2(PRISTINE / path, ROOT / path)
        if mutant.rebuild:
            shutil.rmtree(ROOT / "build")
            shutil.copytree(PRISTINE / "build", ROOT / "build")


def chosen(kind: Callable[[str], Iterator[Mutant]], where: list[str], count: int, seed: int) -> list[Mutant]:
    """Choose mutants of one kind, as evenly over the pages as there are any."""
    chance = random.Random(f"{seed} {kind.__name__}")
    of_page = [list(kind(page)) for page in chance.sample(where, len(where))]
    for mutants in of_page:
        chance.shuffle(mutants)
    return [mutant for turn in zip_longest(*of_page) for mutant in turn if mutant][:count]


def try_all(mutants: list[Mutant], tests: list[str]) -> list[Mutant]:
    survivors, by_build, started = [], 0, time.monotonic()
    for mutant in mutants:
        red = killer(mutant, tests)
        by_build += red.startswith("the build")
        if not red:
            survivors.append(mutant)
        print(f"    {'killed' if red else 'SURVIVED'}  {mutant.change}\n        {red}", flush=True)
    if mutants:
        killed, seconds = len(mutants) - len(survivors), time.monotonic() - started
        print(
            f"{mutants[0].kind:24}{killed:5}/{len(mutants)} killed, {by_build} by the build ({seconds:.0f} s)",
            flush=True,
        )
    return survivors


def mutmut(*arguments: str) -> str:
    # mutmut puts its own copy of the package before all others
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def try_package() -> tuple[int, int]:
    """Let mutmut mutate the package; return how many mutants were killed, and of how many."""
    mutmut("run", "--max-children", str(os.cpu_count() or 1))
    mutmut("export-cicd-stats")
    stats = json.loads((ROOT / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    for name in re.findall(r"^\s*(\S+): (?!killed|timeout)", mutmut("results"), re.MULTILINE):
        lines = [line for line in mutmut("show", name).splitlines() if re.match(r"[-+](?![-+])", line)]
        print("    SURVIVED  " + name + "".join(f"\n        {line}" for line in lines))
    return stats["killed"] + stats["timeout"], stats["total"]


def main() -> int:
    names = [*(kind.__name__ for kind in (*PAGE_KINDS, *FILE_KINDS)), "claims_alone", "package"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"Kinds: {', '.join(names)}.")
    parser.add_argument("kinds", nargs="*", metavar="kind", help="what to mutate; everything, if none is named")
    parser.add_argument("--count", type=int, default=9, help="mutants of each kind")
    parser.add_argument("--seed", type=int, default=0, help="another seed chooses others")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(names):
        parser.error(f"a kind is one of {', '.join(names)}\n  got: {', '.join(sorted(unknown))}")
    if ROOT.parent.name != "mutants":
        continue_in_copy()
    kinds = arguments.kinds or names
    survivors: list[Mutant] = []
    if set(kinds) - {"package"}:
        warm_up()
        folder = ROOT / "tests" / "transcripts"
        pages = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.txt"))
        choose = partial(chosen, count=arguments.count, seed=arguments.seed)
        for kind in PAGE_KINDS:
            if kind.__name__ in kinds:
                survivors += try_all(choose(kind, pages), CHECKS)
        if {kind.__name__ for kind in FILE_KINDS} & set(kinds):
            files = ["README.md", *(f"src/blockbook/{path.name}" for path in (ROOT / "src" / "blockbook").glob("*.py"))]
            for kind, tests in FILE_KINDS.items():
                if kind.__name__ in kinds:
                    survivors += try_all(choose(kind, sorted(files)), tests)
        if "claims_alone" in kinds:
            print("For comparison, by the claims test alone, without the transcripts:")
            for kind in (prose_number, prose_number_of_both):
                try_all(choose(kind, pages), ["tests/test_claims.py"])
        print(f"{len(survivors)} mutants of pages and docstrings survived")
    killed, total = try_package() if "package" in kinds else (1, 1)
    if "package" in kinds:
        print(f"{'package':24}{killed:5}/{total} killed, {killed / total:.1%}")
    return bool(survivors) or killed < PACKAGE_TARGET * total


if __name__ == "__main__":
    sys.exit(main())
