"""The build of small sites: what it executes, what it leaves, and that what it publishes depends on nothing else."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer

import build
import psutil
import pytest
from filelock import FileLock
from pages import ROOT
from playwright.sync_api import Browser

pytestmark = [pytest.mark.no_cover, pytest.mark.build]
FRONT = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3, language: python}\n---\n\n"
# what Python's own fork server may say when it is left in the middle of a request
LEFT_SERVER = re.compile(
    r'Traceback \(most recent call last\):\n  File "<string>", line 1, in <module>\n'
    r'(?: .*\n)*?  File "[^"]*/multiprocessing/reduction\.py".*\n(?: .*\n)*EOFError\n'
)
MACHINERY = ("browser.py", "build.py", "dist.py", "live.py", "book", "_ext", "_static", "_templates")
PACKAGE = '"""A package."""\n\n\ndef answer():\n    """Return the answer."""\n    return 42\n'


def page(title: str, *cells: str, tags: str = "") -> str:
    return f"{FRONT}# {title}\n\n" + "\n".join(f"```{{code-cell}} python\n{tags}\n{cell}\n```\n" for cell in cells)


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Have Ctrl-C end what a test starts: a shell has its background jobs ignore it, and they hand that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Site:
    """A copy of the machinery around a few pages of its own."""

    def __init__(self, root: Path, pages: dict[str, str], *, languages: tuple[str, ...] = ("en",)) -> None:
        self.root = root
        for name in ("conf.py", *(f"docs/{name}" for name in MACHINERY)):
            source, target = ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "katex"))
            else:
                shutil.copy(source, target)
        shutil.copytree(ROOT / "docs" / "_static" / "katex", root / "docs" / "_static" / "katex")
        self.write("src/blockbook/__init__.py", PACKAGE)
        contents = {"status": "# Status\n\n```{page-status}\n```\n", "glossary": "# Glossary\n", **pages}
        contents["index"] = "# Start\n\n```{toctree}\n" + "\n".join(contents) + "\n```\n"
        for language in languages:
            for name, text in contents.items():
                self.write(f"docs/{language}/{name}.md", text)

    @property
    def html(self) -> Path:
        return self.root / "build" / "html"

    def write(self, name: str, text: str, time: float | None = None) -> None:
        """Save a file whole, as editors do, so that nothing sees a part of it."""
        path, whole = self.root / name, self.root / "saved"
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text, encoding="utf-8")
        if time is not None:
            os.utime(whole, (time, time))
        whole.replace(path)

    def edit(self, name: str, old: str, new: str) -> None:
        before = (self.root / name).read_text(encoding="utf-8")
        after = re.sub(old, new, before)
        assert after != before
        self.write(name, after)

    def keep(self, name: str) -> None:
        """Keep what is published now beside what will be."""
        shutil.copytree(self.html, self.root / name)

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "docs/build.py", *options],
            cwd=self.root,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def build(self, *options: str, **environment: str) -> str:
        """Build, and return what was said: one line for each page that was read, with a time if it was executed."""
        process = self.start(*options, **environment)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        assert self.left() == []
        return output

    def fail(self, **environment: str) -> str:
        process = self.start(**environment)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 1, output
        assert self.left() == []
        return output

    @contextmanager
    def live(self) -> Iterator["Live"]:
        process = self.start("--live", "0")
        # what hangs ends, and then what waits for its lines fails
        watchdog = Timer(120, process.kill)
        watchdog.start()
        try:
            yield Live(self, process)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            output, _ = process.communicate(timeout=30)
            watchdog.cancel()
        assert "Traceback" not in output
        assert self.left() == []

    def published(self) -> dict[str, bytes]:
        return files(self.html)

    def left(self) -> list[str]:
        """Return the processes and temporary files that are left of builds of this site."""
        processes = [f"{process.pid} {process.info['cmdline']}" for process in self.processes()]
        temporary = self.root / "build" / "work" / "tmp"
        return processes + ([str(path) for path in temporary.rglob("*")] if temporary.exists() else [])

    def processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter(["cmdline"]):
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(self.root):
                    yield process
            except (psutil.Error, OSError):
                pass


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Live:
    """`make live` at work on a site."""

    def __init__(self, site: Site, process: subprocess.Popen[str]) -> None:
        self.site, self.process = site, process
        self.started = self.until("Serving")
        self.address = re.search(r"http://127\.0\.0\.1:\d+/", self.started)[0]

    def until(self, part: str) -> str:
        """Return what is printed up to the first line that has this in it."""
        output = ""
        for line in self.process.stdout:
            output += line
            if part in line:
                return output
        raise AssertionError(f"never said {part!r}:\n{output}")

    def after(self, change: Callable[[], object]) -> str:
        """Change a file, and return what is said until it is built."""
        change()
        return self.until(" s. Open ")


def once(folders: pytest.TempPathFactory, worker_id: str, make: Callable[[Path], object]) -> Path:
    """Make something once for all workers of a test run, none of which may change it."""
    own = folders.getbasetemp()
    root = (own if worker_id == "master" else own.parent) / make.__name__
    with FileLock(f"{root}.lock"):
        if not root.exists():
            fresh = root.with_suffix(".new")
            make(fresh)
            fresh.rename(root)
    return root


def read(output: str) -> set[str]:
    return set(re.findall(r"^(\w\w  [\w/]+) +read$", output, re.MULTILINE))


def executed(output: str) -> set[str]:
    return set(re.findall(r"^(\w\w  [\w/]+) +[\d.]+ s$", output, re.MULTILINE))


CELLS = {
    "one": page("One", "import blockbook\nblockbook.answer()"),
    "two": page("Two", "6 * 7"),
    "api": "# API\n\nSee [](one.md).\n\n```{eval-rst}\n.. autofunction:: blockbook.answer\n```\n",
}
# appends to a file which process ran it
COUNTED = """\
import os
from pathlib import Path
with Path(os.environ["RAN"]).open("a") as file:
    _ = file.write(f"{os.getpid()}\\n")"""


def test_each_change_executes_what_it_can_affect_and_the_site_is_that_of_a_clean_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    ran.touch()
    monkeypatch.setenv("RAN", str(ran))
    site = Site(tmp_path / "site", {**CELLS, "two": page("Two", COUNTED, "6 * 7")}, languages=("en", "zh"))
    every = {f"{language}  {name}" for language in ("en", "zh") for name in (*CELLS, "glossary", "index", "status")}
    with_cells = {f"{language}  {name}" for language in ("en", "zh") for name in ("one", "two")}

    def happened(output: str) -> tuple[set[str], set[str], int]:
        """Return what was executed, what was only read, and how often the cells of page two ran."""
        times = len(ran.read_text().split())
        ran.write_text("")
        return executed(output), read(output), times

    def templates() -> dict[Path, int]:
        """Return when each template was compiled."""
        kept = site.root / "build" / "work" / "en" / "doctrees" / "templates"
        return {path: path.stat().st_mtime_ns for path in kept.rglob("*.cache")}

    with site.live() as live:

        def after(change: Callable[[], object]) -> tuple[set[str], set[str], int]:
            return happened(live.after(change))

        # the languages share the execution of the same cells, and of no others
        assert happened(live.started) == (with_cells, every - with_cells, 1)
        first, compiled = site.published(), templates()
        assert compiled
        assert after(lambda: os.utime(site.root / "docs/en/one.md")) == (set(), set(), 0)
        assert after(lambda: site.edit("docs/en/two.md", "6", "7")) == ({"en  two"}, set(), 1)
        assert after(lambda: site.edit("docs/zh/one.md", "# One", "# Uno")) == ({"zh  one"}, set(), 0)
        # its date is older than the build that read it before
        older = page("Two", COUNTED, "8 * 7")
        assert after(lambda: site.write("docs/en/two.md", older, time=1)) == ({"en  two"}, set(), 1)
        assert templates() == compiled
        uses_package = {"en  one", "zh  one"}, {"en  api", "zh  api"}
        assert after(lambda: site.edit("src/blockbook/__init__.py", "42", "43")) == (*uses_package, 0)
        assert after(lambda: site.edit("docs/_templates/layout.html", r"\Z", "<!-- new -->")) == (set(), set(), 0)
        assert after(lambda: site.edit("conf.py", r"\Z", "# new\n")) == (with_cells, every - with_cells, 2)
    assert happened(site.build()) == (set(), set(), 0)
    incremental = site.published()
    assert b"43" in incremental["en/one.html"]
    assert b"Uno" in incremental["zh/api.html"]
    assert incremental.keys() == first.keys()

    # another folder, nothing there yet: also shows that no folder's name is in what is published
    clean = Site.__new__(Site)
    clean.root = tmp_path / "another folder"
    shutil.copytree(site.root, clean.root, ignore=shutil.ignore_patterns("build"))
    clean.build()
    assert _differing(clean.published(), incremental) == []
    assert [name for name, data in incremental.items() if bytes(tmp_path) in data] == []

    def digests() -> tuple[str, str]:
        """Return digests of what executes every page again, and of what only dresses it again, if they change."""
        return build.engine_digest(), build.looks_digest()

    monkeypatch.setattr(build, "ROOT", site.root)
    monkeypatch.setattr(build, "DOCS", site.root / "docs")
    seen = [digests()]
    for name in ("docs/_ext/page_frame.py", "docs/_ext/matplotlibrc", "docs/build.py"):
        site.edit(name, r"\Z", "# new\n")
        seen.append(digests())
    site.write("installed/new-1.0.dist-info/METADATA", "Name: new\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(site.root / "installed")
    seen.append(digests())
    assert len({engine for engine, _ in seen}) == 5
    assert len({looks for _, looks in seen}) == 1
    site.edit("docs/_static/blockbook.css", r"\A", "/* new */")
    seen.append(digests())
    assert seen[-2][0] == seen[-1][0]
    assert seen[-2][1] != seen[-1][1]


def _differing(first: dict[str, bytes], second: dict[str, bytes]) -> list[str]:
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def test_a_failed_build_changes_nothing_and_the_next_reads_only_what_is_new(tmp_path: Path) -> None:
    site = Site(tmp_path, CELLS, languages=("en", "zh"))
    site.edit("conf.py", "nb_execution_timeout = 60", "nb_execution_timeout = 2")
    failures = {
        "while True: pass": "ran longer than 2 s",
        "sum(range(10**12))": "ran longer than 2 s",
        "import os\nos._exit(0)": "the kernel died",
        "import os\nos.kill(os.getpid(), 9)": "the kernel died",
        "1 / 0": "ZeroDivisionError: division by zero (in: 1 / 0)",
    }
    with site.live() as live:
        before, idle = site.published(), {process.pid for process in site.processes()}
        for cell, reason in failures.items():
            site.write("docs/en/two.md", page("Two", "1 + 1", cell))
            live.until(f"A cell failed: docs/en/two.md, code cell 2: {reason}\n")
            _wait_until_nothing_runs(site, but=idle)
            assert site.published() == before
        assert executed(live.after(partial(site.write, "docs/en/two.md", CELLS["two"]))) == set()
        assert site.published() == before
    # the languages share a failure too, and each names its page
    for language in ("en", "zh"):
        site.write(f"docs/{language}/two.md", page("Two", "sum(range(10**12))"))
    output = site.fail()
    for language in ("en", "zh"):
        assert output.count(f"A cell failed: docs/{language}/two.md, code cell 1: ran longer than 2 s\n") == 1
    assert site.published() == before


STOPS = 30
SIGNALS = {"Ctrl-C": signal.SIGINT, "terminated": signal.SIGTERM, "killed": signal.SIGKILL}


def test_a_build_stopped_at_any_moment_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", CELLS)
    started = time.monotonic()
    site.build()
    duration = time.monotonic() - started
    whole = [site.published()]
    moments = random.Random(0)
    for stop in range(STOPS):
        how = list(SIGNALS)[stop % 3]
        # each part of the time for each way to stop it
        moment = duration * (stop // 3 + moments.random()) / (STOPS // 3)
        # each second one would run for a minute, and no thread of it that watches would run; the others come to an end
        rest = "sum(range(10**12))" if stop % 2 else "import time\ntime.sleep(0.1)"
        site.write("docs/en/two.md", page("Two", f"6 * {stop + 8}", rest))
        process = site.start()
        time.sleep(moment)
        (os.killpg if how == "Ctrl-C" else os.kill)(process.pid, SIGNALS[how])
        output, _ = process.communicate(timeout=60)
        # before the first line of ours runs, Python reports it in its own way
        said = LEFT_SERVER.sub("", output)
        assert "Traceback" not in said or moment < duration / 5, output
        _wait_until_nothing_runs(site)
        if site.published() not in whole:
            # stopped after it had published
            assert len(site.published()) == len(whole[0])
            assert f">{6 * (stop + 8)}\n<" in site.published()["en/two.html"].decode()
            whole.append(site.published())
    site.write("docs/en/two.md", CELLS["two"])
    site.build()
    assert _differing(site.published(), whole[0]) == []


def _wait_until_nothing_runs(site: Site, but: Container[int] = ()) -> None:
    deadline = time.monotonic() + 5
    while running := [process.info["cmdline"] for process in site.processes() if process.pid not in but]:
        assert time.monotonic() < deadline, running
        time.sleep(0.02)


DIRTY = """\
import os, random, sys, tempfile, builtins, warnings
from pathlib import Path
import numpy, torch
from torch import nn
os.environ["LEAK"] = "1"
sys.modules["leak"] = os
sys.path.append("leak")
builtins.leak = leak = 1
RANDOM = [random.random(), float(numpy.random.rand()), float(torch.rand(()))]
random.seed(0), numpy.random.seed(0), torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
torch.set_num_threads(3)
torch.use_deterministic_algorithms(True)
torch.set_float32_matmul_precision("medium")
torch.set_printoptions(precision=1)
_ = nn.modules.module.register_module_forward_hook(lambda *_: None)
nn.Linear.leak = numpy.leak = 1
numpy.set_printoptions(precision=1)
warnings.simplefilter("error")
Path("leak").touch()
_ = Path(tempfile.gettempdir(), "dirty").write_text(repr(RANDOM))"""
WAIT = """\
import tempfile, time
from pathlib import Path
dirty = Path(tempfile.gettempdir(), "dirty")
while not dirty.exists():
    time.sleep(0.02)
time.sleep(0.1)"""
LOOK = """\
import builtins, os, random, sys, warnings
import numpy, torch
from torch import nn
for draw in (random.random(), float(numpy.random.rand()), float(torch.rand(()))):
    assert repr(draw) not in dirty.read_text()
del draw
print(torch.get_default_dtype(), torch.get_num_threads(), numpy.float64(1) / 3 * numpy.ones(1))
print(torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision())
print(len(nn.modules.module._global_forward_hooks))
print([hasattr(place, "leak") for place in (builtins, nn.Linear, numpy)], "leak" in globals() | sys.modules)
print("LEAK" in os.environ, "leak" in sys.path, os.listdir(), warnings.filters[0][0], sys.argv[1:2])
print(sorted(name for name in globals() if not name.startswith("_")), torch.is_grad_enabled())"""

PLOT = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"


def notices(output: str) -> list[str]:
    return re.findall(r"^Stock kernels, which take longer: (.*)\n", output, re.MULTILINE)


def test_nothing_leaks_between_pages_and_stock_kernels_give_the_same_bytes(tmp_path: Path) -> None:
    site = Site(tmp_path, {"dirty": page("Dirty", DIRTY), "look": page("Look", WAIT, LOOK, PLOT)})
    assert notices(site.build()) == []
    warm = site.published()
    assert b'id="figure_1"' in warm["en/look.html"]
    shown = " ".join(re.sub(r"<[^>]*>", "", warm["en/look.html"].decode()).split())
    assert "torch.float32 1 [0.33333333] False highest 0 [False, False, False] False False False [] " in shown
    shutil.rmtree(site.root / "build")
    assert notices(site.build(BLOCKBOOK_STOCK_KERNELS="1")) == ["BLOCKBOOK_STOCK_KERNELS is set."]
    assert _differing(site.published(), warm) == []


@pytest.mark.parametrize(
    ("where", "reason"),
    [("True", "this process cannot fork"), ("'forkserver' in str(sys.orig_argv)", "the forkserver failed")],
)
def test_a_broken_fork_is_noted_once_and_stock_kernels_run(where: str, reason: str, tmp_path: Path) -> None:
    site = Site(tmp_path, {"one": CELLS["one"]}, languages=("en", "zh"))
    broken = f"import os, sys\ndef fork():\n    raise OSError('no fork')\nif {where}:\n    os.fork = fork\n"
    site.write("src/sitecustomize.py", broken)
    output = site.build(PYTHONPATH=str(site.root / "src"))
    (notice,) = notices(output)
    assert re.fullmatch(rf"{reason} \(.*\)\.", notice)
    assert executed(output) == {"en  one", "zh  one"}


def test_live_shows_what_is_saved_in_pages_that_are_open(tmp_path: Path, browser: Browser) -> None:
    site = Site(tmp_path, CELLS)
    with site.live() as live:
        tab = browser.new_page()
        tab.goto(f"{live.address}en/two.html", wait_until="load")
        for factor in (8, 9):
            saved = time.monotonic()
            live.after(partial(site.write, "docs/en/two.md", page("Two", f"6 * {factor}")))
            tab.get_by_text(str(6 * factor), exact=True).wait_for(timeout=30_000)
            print(f"shown after {time.monotonic() - saved:.1f} s")
        site.write("docs/en/two.md", page("Two", "1 / 0"))
        live.until("A cell failed")
        live.after(partial(site.write, "docs/en/two.md", page("Two", "6 * 11")))
        tab.get_by_text("66", exact=True).wait_for(timeout=30_000)
        tab.close()
