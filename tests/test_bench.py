"""The benches run, and the figures that are shown are the ones that were recorded."""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, ROOT, written
from playwright.sync_api import Browser
from transcripts import CELL, LANGUAGES

pytestmark = pytest.mark.no_cover
BENCH = ROOT / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return a way to import a bench by its name; docs/build.py is a module of that name too."""
    monkeypatch.syspath_prepend(str(BENCH))

    def load(name: str) -> Any:
        spec = spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def figures() -> dict[str, Any]:
    return json.loads((BENCH / "figures.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder() -> Iterator[Path]:
    # in the repository: execution.py names pages from there
    folder = ROOT / "build" / "test-bench"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.build
def test_a_generated_site_builds_and_pages_without_results_are_noticed(bench: Any, folder: Path) -> None:
    build = bench("build")
    build.write_site(folder, 2)
    for tool in ("ours", "floor"):
        seconds, mebibytes = build.build(tool, folder, 2)
        assert seconds > 0
        assert mebibytes > 0
    (folder / "out" / "floor").rename(folder / "out" / "myst-nb")
    with pytest.raises(SystemExit, match="myst-nb did not execute page000"):
        build.check("myst-nb", folder, 2)


def test_blocks_compile_as_one_graph_and_are_timed(bench: Any) -> None:
    found = bench("blocks").time_blocks(rounds=2, backend="eager")
    assert set(found) == set(bench("record").BLOCKS)
    for times in found.values():
        assert set(times) == {"Sequential", "MySequential"}
        assert all(0 < first <= middle <= last for first, middle, last in times.values())


def test_the_place_of_the_best_page_is_found(bench: Any, browser: Browser, address: str) -> None:
    site = bench("site")
    tab = browser.new_page()
    assert site.rank(tab, f"{address}/zh", "参数绑定", "parameters/tying") == 1
    assert site.rank(tab, f"{address}/zh", "参数绑定", "glossary") == 2
    assert site.rank(tab, f"{address}/zh", "参数绑定", "status") == 0
    assert site.rank(tab, f"{address}/zh", "龘靐齉", None) == 0
    tab.close()
    for language, searches in site.SEARCHES.items():
        assert {best for best in searches.values() if best} <= set(PAGES), language


def test_figures_are_shown_as_they_were_recorded(bench: Any, figures: dict[str, Any]) -> None:
    record = bench("record")
    assert record.tables(figures) in (BENCH / "README.md").read_text(encoding="utf-8")
    for language in LANGUAGES:
        sources = [match["source"].strip() for match in CELL.finditer(written(language, "built"))]
        assert record.cell(figures) in sources


def test_figures_name_no_machine(figures: dict[str, Any]) -> None:
    for part in figures.values():
        assert set(part["machine"]) == {"cpu", "cores", "memory_gib", "system", "versions", "load"}
