"""Time the building of generated sites by this project and by others, and of the book itself.

Every tool gets the same notebooks. The floor is what no tool that runs the cells and writes the pages
can avoid: one process that imports torch once and runs all cells, and the site built without running them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
from record import ROOT, SITES, record, tables

WORK = ROOT / "build" / "bench"
VENV = WORK / "peers"
OUTSIDE = ("myst-nb", "nbsphinx", "mkdocs")
SETTINGS = {
    "ours": """\
import sys
sys.path.insert(0, "docs/_ext")
extensions = ["myst_nb", "execution"]
nb_execution_mode = "force"
def setup(app):
    for name in ("inputs_digest", "looks_digest"):
        app.add_config_value(name, "", "env")
""",
    "myst-nb": "extensions = ['myst_nb']\nnb_execution_mode = 'force'\n",
    "nbsphinx": "extensions = ['nbsphinx']\nnbsphinx_execute = 'always'\n",
    "floor": "extensions = ['myst_nb']\nnb_execution_mode = 'off'\n",
}
RUN_ALL = """\
import json, pathlib, sys
for page in sorted(pathlib.Path(sys.argv[1]).glob("*.ipynb")):
    names = {}
    for cell in json.loads(page.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"]), names)
"""
START = """\
import sys
sys.path.insert(0, sys.argv[3])
from sphinx.application import Sphinx
Sphinx(sys.argv[1], ".", sys.argv[2], sys.argv[2], "html", status=None)
"""


def result(number: int) -> str:
    """Return what the last cell of a page prints; it stands in no source, so a tool must have run the cell."""
    return str(7919 * (number + 2))


def page(number: int) -> nbformat.NotebookNode:
    """Return a small page: five cells, as many sentences between them."""
    code = [
        f"import torch\nfrom torch import nn\n\n_ = torch.manual_seed({number})",
        "net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))\nnet",
        "X = torch.rand(2, 20)\nnet(X)",
        "net(X).sum().backward()\n[tuple(parameter.grad.shape) for parameter in net.parameters()]",
        f"print(int(torch.full((7919,), {number + 2}).sum()))",
    ]
    cells = [nbformat.v4.new_markdown_cell(f"# Page {number}\n\nA small network and its gradients.", id="title")]
    for position, source in enumerate(code):
        cells.append(nbformat.v4.new_markdown_cell("One idea, in one cell.", id=f"prose{position}"))
        cells.append(nbformat.v4.new_code_cell(source, id=f"code{position}"))
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def write_site(folder: Path, pages: int) -> None:
    """Write the notebooks, and what Sphinx and MkDocs need beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "source"
    source.mkdir(parents=True)
    for number in range(pages):
        nbformat.write(page(number), source / f"page{number:03}.ipynb")
    names = "".join(f"   page{number:03}\n" for number in range(pages))
    (source / "index.rst").write_text(f"Site\n====\n\n.. toctree::\n\n{names}")
    for tool, settings in SETTINGS.items():
        (folder / tool).mkdir()
        (folder / tool / "conf.py").write_text(f"html_theme = 'sphinx_book_theme'\n{settings}")
    settings = {
        "site_name": "Site",
        "docs_dir": "source",
        "theme": "material",
        "plugins": [{"mkdocs-jupyter": {"execute": True}}],
    }
    # docs/build.py builds the repository that it stands in: this one has a single language and no package
    for name in ("docs/build.py", "docs/_ext", "docs/_static/root.html", "docs/_static/404.html"):
        target = folder / "ours" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    shutil.copytree(source, folder / "ours" / "docs" / "en")
    # YAML reads JSON
    (folder / "mkdocs.yml").write_text(json.dumps(settings))


def commands(tool: str, folder: Path) -> list[list[str]]:
    """Return the commands with which a tool builds a site from nothing."""
    python, peers = sys.executable, str(VENV / "bin" / "python")
    html = folder / "out" / tool / "html"
    sphinx = ["-q", "-c", str(folder / tool), "-d", str(html.with_name("doctrees")), str(folder / "source"), str(html)]
    if tool == "ours":
        return [[python, str(folder / "ours" / "docs" / "build.py"), "--html", str(html), "--work", f"{html}.work"]]
    if tool == "floor":
        return [[python, "-c", RUN_ALL, str(folder / "source")], [python, "-m", "sphinx", *sphinx]]
    if tool == "mkdocs":
        return [[peers, "-m", "mkdocs", "build", "-q", "-f", str(folder / "mkdocs.yml"), "-d", str(html)]]
    # on all cores, which is faster than what they do unasked
    return [[peers, "-m", "sphinx", "-j", "auto", *sphinx]]


def install_peers() -> None:
    """Install the other tools, pinned; the packages that they share with the book are the book's own."""
    wanted = (ROOT / "bench" / "peers.txt").read_text()
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    venv.create(VENV, clear=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(VENV), "platbase": str(VENV)}))
    (packages / "book.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(VENV / "bin" / "python")]
    subprocess.run([*pip, "install", "-qq", "--no-deps", "-r", str(ROOT / "bench" / "peers.txt")], check=True)
    # nbsphinx calls pandoc, which comes in a wheel, as a program
    (VENV / "bin" / "pandoc").symlink_to(packages / "pypandoc" / "files" / "pandoc")
    stamp.write_text(wanted)


def measure(command: list[str], folder: Path, **environment: str) -> tuple[float, float]:
    """Run a command and return its seconds, and the most memory in MiB that it and all its children held at once."""
    # one thread a kernel, for every tool: otherwise kernels side by side fight for the cores
    env = (
        os.environ
        | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        | environment
    )
    started, peak = time.monotonic(), 0.0
    with open(folder / "log", "w") as log:
        process = psutil.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            peak = max(peak, _memory(process))
            try:
                code = process.wait(timeout=0.5)
            except psutil.TimeoutExpired:
                continue
            break
    seconds = time.monotonic() - started
    if code:
        sys.exit(f"{' '.join(command[:4])} … ended with {code}:\n{(folder / 'log').read_text()[-2000:]}")
    return seconds, peak


def _memory(process: psutil.Process) -> float:
    total = 0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            # one that has ended since holds nothing
            with suppress(psutil.Error):
                # memory that forked processes share counts once: each of them is charged its part
                total += getattr(each.memory_full_info(), "pss", 0)
    return total / 2**20


def build(tool: str, folder: Path, pages: int) -> tuple[float, float]:
    """Build a site from nothing and return seconds and MiB."""
    shutil.rmtree(folder / "out" / tool, ignore_errors=True)
    (folder / "out" / tool).mkdir(parents=True)
    environment = {}
    if tool in OUTSIDE:
        environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"
    measured = [measure(command, folder, **environment) for command in commands(tool, folder)]
    check(tool, folder, pages)
    return sum(seconds for seconds, _ in measured), max(peak for _, peak in measured)


def check(tool: str, folder: Path, pages: int) -> None:
    """See that each page holds what its last cell prints, and that the floor's does not."""
    place = {"ours": "en/{}.html", "mkdocs": "{}/index.html"}.get(tool, "{}.html")
    for number in range(pages):
        name = place.format(f"page{number:03}")
        html = (folder / "out" / tool / "html" / name).read_text(encoding="utf-8")
        if (result(number) in html) == (tool == "floor"):
            sys.exit(f"{tool} executed {name}" if tool == "floor" else f"{tool} did not execute {name}")


def time_sites(sizes: list[int], tools: list[str], runs: int, peer_runs: int, peers_up_to: int) -> dict[str, Any]:
    """Build sites with every tool in turn, and again: a busy minute then slows all of them."""
    found: dict[str, Any] = {str(size): {} for size in sizes}
    for size in sizes:
        write_site(WORK / str(size), size)
    for run in range(max(runs, peer_runs)):
        for size in sizes:
            for tool in tools:
                if run >= (peer_runs if tool in OUTSIDE else runs) or (tool in OUTSIDE and size > peers_up_to):
                    continue
                seconds, mebibytes = build(tool, WORK / str(size), size)
                print(f"run {run + 1}  {size:4} pages  {SITES[tool]:15}{seconds:7.1f} s", flush=True)
                figures = found[str(size)].setdefault(tool, {"seconds": [], "mebibytes": []})
                figures["seconds"].append(round(seconds, 2))
                figures["mebibytes"].append(round(mebibytes))
    return found


def time_book(runs: int) -> dict[str, list[float]]:
    """Time builds of a copy of this repository: from nothing, then after one change each."""
    copy = WORK / "book"
    page = copy / "docs" / "en" / "parameters" / "tying.md"
    changes: dict[str, Callable[[str], str]] = {
        "nothing": lambda text: text,
        "prose": lambda text: text.replace("The values agree.", "The values agree. They do."),
        "cell": lambda text: text.replace("first, second = nn", "\nfirst, second = nn", 1),
        "src": lambda text: text + "\n",
    }
    found: dict[str, list[float]] = {name: [] for name in ("sphinx", "cold", *changes)}
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for _ in range(runs):
        shutil.rmtree(copy, ignore_errors=True)
        for name in filter(None, files):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        started = [sys.executable, "-c", START, "docs/en", "build/start", "docs/_ext"]
        found["sphinx"].append(measure(started, copy)[0])
        for name in ("cold", *changes):
            if name in changes:
                changed = copy / "src" / "blockbook" / "tying.py" if name == "src" else page
                before = changed.read_text(encoding="utf-8")
                after = changes[name](before)
                if (before == after) != (name == "nothing"):
                    sys.exit(f"the change to {changed.name} for {name!r} found nothing to change")
                if before != after:
                    changed.write_text(after, encoding="utf-8")
            seconds, _ = measure([sys.executable, "docs/build.py"], copy, PYTHONPATH=str(copy / "src"))
            print(f"the book, {name:10}{seconds:7.1f} s", flush=True)
            found[name].append(seconds)
    return {name: [round(value, 2) for value in seconds] for name, seconds in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 32, 128], help="pages of the generated sites")
    parser.add_argument("--runs", type=int, default=3, help="builds of each kind")
    parser.add_argument(
        "--peer-runs", type=int, default=1, help="builds of each kind by other tools; 0 leaves them out"
    )
    parser.add_argument("--peers-up-to", type=int, default=32, help="pages; larger sites are not built by other tools")
    parser.add_argument("--no-book", action="store_true", help="leave out the book itself")
    arguments = parser.parse_args()
    if arguments.peer_runs:
        install_peers()
    figures: dict[str, Any] = {
        "sites": time_sites(arguments.sizes, list(SITES), arguments.runs, arguments.peer_runs, arguments.peers_up_to)
    }
    everything = record("build", figures)
    if not arguments.no_book:
        everything = record("build", figures | {"book": time_book(arguments.runs)})
    print("\n" + tables(everything))


if __name__ == "__main__":
    main()
