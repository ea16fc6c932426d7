"""What the benches share: the machine, one file of figures, their tables; run alone, it puts the figures where they
are shown: bench/figures.json, bench/README.md and the page "How the book is built".
"""

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "build" / "bench.json"
SHOWN = ROOT / "bench" / "figures.json"
README = ROOT / "bench" / "README.md"
PAGES = [ROOT / "docs" / language / "built.md" for language in ("en", "zh")]
SITES = {
    "floor": "the floor",
    "ours": "blockbook",
    "myst-nb": "MyST-NB",
    "nbsphinx": "nbsphinx",
    "mkdocs": "mkdocs-jupyter",
}
BOOK = {
    "cold": "from nothing",
    "nothing": "nothing has changed",
    "prose": "a sentence of a page",
    "cell": "a cell of a page",
    "src": "a file in src/blockbook",
    "sphinx": "Sphinx starts, and does nothing",
}
BLOCKS = {
    "call": "call of ten modules that do nothing",
    "step": "training step",
    "call compiled": "call, compiled as part of a function",
    "step compiled": "training step, compiled",
    "call compiled alone": "call, the chain compiled by itself",
}


def machine() -> dict[str, Any]:
    """Describe the machine by what a time depends on, and by nothing that names it."""
    import psutil

    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    packages = ("torch", "Sphinx", "myst-nb", "ipykernel")
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in packages},
        "load": round(os.getloadavg()[0], 1),
    }


def record(part: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Put the figures of one bench into build/bench.json and leave those of the others, as last measured or shown."""
    everything: dict[str, Any] = json.loads((MEASURED if MEASURED.exists() else SHOWN).read_text())
    everything[part] = {"machine": machine()} | figures
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(json.dumps(everything, indent=1) + "\n")
    return everything


def middle(figures: dict[str, Any], size: str, tool: str) -> float | None:
    """Return the median seconds in which a tool builds a site, None if it was left out."""
    found = figures["build"]["sites"][size].get(tool)
    return round(median(found["seconds"]), 1) if found else None


def per_page(figures: dict[str, Any], tool: str) -> float | None:
    """Return the seconds for each additional page, from the smallest to the largest site a tool has built."""
    built = [(int(size), seconds) for size in figures["build"]["sites"] if (seconds := middle(figures, size, tool))]
    (few, first), (many, last) = min(built), max(built)
    return round((last - first) / (many - few), 2) if many > few else None


def tables(figures: dict[str, Any]) -> str:
    """Write what was measured as Markdown."""
    parts = []
    for part in figures.values():
        described = part["machine"]
        versions = ", ".join(f"{name} {number}" for name, number in described["versions"].items())
        parts.append(
            f"{described['cores']} cores, {described['cpu']}, {described['memory_gib']} GiB, {described['system']};"
            f" {versions}. Load at the end: {described['load']}."
        )
        if "sites" in part:
            parts += _site_tables(figures)
        if "compared" in part:
            parts += _comparison(part["compared"])
        if "book" in part:
            rows = [[BOOK[name], f"{median(seconds):.1f} s"] for name, seconds in part["book"].items()]
            parts.append(_table(["The book, after a change of", "median"], rows))
        if "blocks" in part:
            rows = []
            for name, found in part["blocks"].items():
                ours, theirs = (found[kind][1] for kind in ("MySequential", "Sequential"))
                rows.append([BLOCKS[name], f"{theirs:.2f} µs", f"{ours:.2f} µs", f"{ours / theirs:.3f}"])
            parts.append(_table(["", "nn.Sequential", "MySequential", "ratio"], rows))
            parts.append(f"Compiled by: {part['backend']}, as one whole graph.")
            torch, blockbook = (median(part["import"][name]) for name in ("torch", "blockbook"))
            share = median(part["import"]["share"])
            rows = [["median", f"{torch:.2f} s", f"{blockbook:.2f} s", f"{blockbook / torch:.3f}", f"{share:.3f}"]]
            parts.append(_table(["", "import torch", "import blockbook", "ratio", "ratio in one process"], rows))
    return "\n\n".join(parts) + "\n"


def _site_tables(figures: dict[str, Any]) -> list[str]:
    sites = figures["build"]["sites"]
    seconds, memory = [], []
    for tool, name in SITES.items():
        times = [middle(figures, size, tool) for size in sites]
        floor = [middle(figures, size, "floor") for size in sites]
        if not any(times):
            continue
        cells = [
            f"{value:.1f} s ({value / base:.1f} ×)" if value and base else "not run"
            for value, base in zip(times, floor, strict=True)
        ]
        seconds.append([name, *cells, f"{page:.2f} s" if (page := per_page(figures, tool)) else "not run"])
        peaks = (sites[size].get(tool) for size in sites)
        memory.append([name, *(f"{max(peak['mebibytes'])} MiB" if peak else "not run" for peak in peaks)])
    heads = [f"{size} pages" for size in sites]
    return [
        _table(["Median time (ratio to the floor)", *heads, "each page more"], seconds),
        _table(["Most memory held at once", *heads], memory),
    ]


def _comparison(compared: dict[str, Any]) -> list[str]:
    """Write what was measured of the two sites, and where each finds what is searched for."""
    seen, found = [], []
    for language, sites in compared.items():
        for name, of_site in sites.items():
            kilobytes, requests = ("{} ({})".format(*of_site[key]) for key in ("kilobytes", "requests"))
            axe = f"{of_site['axe']}: {', '.join(of_site['rules'])}" if of_site["axe"] else "0"
            seen.append([f"{name}, {language}", kilobytes, requests, str(of_site["to other hosts"]), axe])
        for query in sites["blockbook"]["ranks"]:
            found.append([query, *(str(of_site["ranks"][query] or "none") for of_site in sites.values())])
    heads = ["KB of a page, median (most)", "requests", "to other hosts, all pages", "violations that axe finds"]
    return [
        _table(["", *heads], seen),
        _table(["Query", "place of the best page: default", "blockbook"], found),
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * (width - 1) + ":") if n else "-" * width for n, width in enumerate(widths)]
    return "\n".join(map(line, [head, rule, *rows]))


def cell(figures: dict[str, Any]) -> str:
    """Write the figures that the page "How the book is built" shows, as its first cell's source."""
    sites = figures["build"]["sites"]
    lines = [f"pages = [{', '.join(sites)}]", "seconds = {"]
    lines += [
        f'    "{name.removeprefix("the ")}": {[middle(figures, size, tool) for size in sites]},'
        for tool, name in SITES.items()
    ]
    book = ", ".join(
        f'"{name}": {round(median(values), 1)}' for name, values in figures["build"]["book"].items() if name != "sphinx"
    )
    return "\n".join([*lines, "}", f"book = {{{book}}}"])


def show() -> None:
    """Put the measured figures where they are shown."""
    SHOWN.write_text(MEASURED.read_text())
    figures = json.loads(SHOWN.read_text())
    _replace(README, r"(?<=<!-- figures -->\n).*(?=<!-- end -->)", f"\n{tables(figures)}\n")
    for page in PAGES:
        _replace(page, r"^pages = \[.*?^book = [^\n]*$", cell(figures))


def _replace(path: Path, pattern: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(pattern, lambda _: new, text, count=1, flags=re.DOTALL | re.MULTILINE)
    if not count:
        raise ValueError(f"{path.name} needs a place for the figures\n  looked for: {pattern}")
    path.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    show()
