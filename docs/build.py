"""Build both languages side by side, and publish them together when both are whole.

Sphinx works in build/work/building on a copy of what the last good build left in build/work/<language>,
and the copy takes its place when it is whole: a build that fails or is killed changes nothing.
"""

import argparse
import hashlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LANGUAGES = {"en": "en", "zh": "zh_CN"}
# what pages say of files that are not always there
DOWNLOADS = re.compile(r"<!--downloads-->(.*?)<!--/downloads-->", re.DOTALL)


def digest(*paths: Path, more: str = "") -> str:
    """Return a digest of files and of all files in folders: their names and what is in them."""
    result = hashlib.sha256(more.encode())
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                result.update(f"\0{file.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return result.hexdigest()


def engine_digest() -> str:
    """Return a digest of what every page depends on: configuration, extensions, installed versions."""
    installed = sorted(info.name for entry in map(Path, sys.path) for info in entry.glob("*-info"))
    return digest(ROOT / "conf.py", DOCS / "build.py", DOCS / "_ext", more="\n".join([sys.version, *installed]))


def looks_digest() -> str:
    """Return a digest of what every page is dressed in; a change of it executes nothing."""
    hosted = [os.environ.get(name, "") for name in ("BLOCKBOOK_BASE_URL", "BLOCKBOOK_REPOSITORY_URL")]
    return digest(DOCS / "_static", DOCS / "_templates", more="\n".join(hosted))


def inputs_digest(folder: str) -> str:
    """Return a digest of all that a language is made of."""
    own = digest(DOCS / folder, ROOT / "src" / "blockbook", ROOT / "tests" / "transcripts")
    return " ".join([engine_digest(), looks_digest(), own])


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def replace(target: Path, fresh: Path) -> None:
    """Put a folder in the place of another; `recover` completes it if it is cut short."""
    stale = target.with_name(f"{target.name}.old")
    shutil.rmtree(stale, ignore_errors=True)
    if target.exists():
        target.rename(stale)
    fresh.rename(target)
    shutil.rmtree(stale, ignore_errors=True)


def recover(target: Path) -> None:
    """Put back what was moved aside when a build was killed between two renames."""
    stale = target.with_name(f"{target.name}.old")
    if stale.exists() and not target.exists():
        stale.rename(target)


def build_language(folder: str, work: Path) -> None:
    """Run Sphinx, in a process of its own, and leave with its status."""
    # Ctrl-C is for the driver to answer, and this process is the driver's fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    import fork_server

    signal.pthread_sigmask(signal.SIG_UNBLOCK, fork_server.STOPS)
    fork_server.join()
    from execution import CellError
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    status = 1
    try:
        with patch_docutils(ROOT), docutils_namespace():
            app = Sphinx(
                srcdir=DOCS / folder,
                confdir=ROOT,
                outdir=work / "building" / folder / "html",
                doctreedir=work / "building" / folder / "doctrees",
                buildername="html",
                confoverrides={
                    "language": LANGUAGES[folder],
                    "inputs_digest": engine_digest(),
                    "looks_digest": looks_digest(),
                },
                status=None,
                warningiserror=True,
            )
            app.build()
            status = app.statuscode
    except CellError as error:
        print(f"A cell failed: {error}", file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: kernels that still run end with this process
    os._exit(status)


def build(work: Path, html: Path) -> bool:
    """Build and publish what has changed since the last good build; return whether all is well."""
    started = time.monotonic()
    folders = _folders()
    for target in (html, html.with_name("dist"), *(work / folder for folder in folders)):
        recover(target)
    inputs = {folder: inputs_digest(folder) for folder in folders}
    outdated = [folder for folder in folders if read(work / folder / "inputs") != inputs[folder]]
    if outdated:
        # before anything is built, addresses that are none end it
        import hosting  # noqa: F401

        if not _run_sphinx(outdated, work, inputs):
            return False
    stamp, made = work / "published", read(work / "made")
    # files that were made of other pages are not published with these
    downloads = html.with_name("dist") if made and made == _made(html, inputs) else None
    from_what = {**inputs, "downloads": made if downloads else ""}
    if read(stamp) != _publication(html, from_what):
        publish(work, html, folders, downloads)
        stamp.write_text(_publication(html, from_what), encoding="utf-8")
    print(f"{time.monotonic() - started:.1f} s. Open {html / 'index.html'}", flush=True)
    return True


def _run_sphinx(folders: list[str], work: Path, inputs: dict[str, str]) -> bool:
    import fork_server

    building = work / "building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    for folder in folders:
        if (work / folder).exists():
            shutil.copytree(work / folder, building / folder)
    context = fork_server.start(
        "".join(map(read, (page for folder in folders for page in (DOCS / folder).rglob("*.[mi]*")))),
        "".join(map(read, (ROOT / "src").rglob("*.py"))),
    )
    processes = {folder: context.Process(target=build_language, args=(folder, work)) for folder in folders}
    try:
        # a process that is half started could not be ended
        with fork_server.stops_held():
            for process in processes.values():
                process.start()
        for folder, process in processes.items():
            process.join()
            if process.exitcode == 0:
                (building / folder / "inputs").write_text(inputs[folder], encoding="utf-8")
                replace(work / folder, building / folder)
            elif process.exitcode < 0:
                print(f"The build of {folder} was ended by {signal.Signals(-process.exitcode).name}.", file=sys.stderr)
    finally:
        for process in processes.values():
            if process.is_alive():
                process.kill()
                process.join()
        shutil.rmtree(building, ignore_errors=True)
    return all(process.exitcode == 0 for process in processes.values())


def make_dist(work: Path, html: Path) -> bool:
    """Make the files that readers take with them of the site just built, and publish it with links to them."""
    import dist

    stamp, target, plain = work / "made", html.with_name("dist"), work / "plain"
    # not what the sources are by now
    inputs = {folder: read(work / folder / "inputs") for folder in _folders()}
    if read(stamp) != _made(html, inputs):
        print("Printing the books", flush=True)
        fresh = html.with_name("dist.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        publish(work, plain, _folders(), None)
        dist.make(plain, fresh)
        shutil.rmtree(plain)
        replace(target, fresh)
        stamp.write_text(_made(html, inputs), encoding="utf-8")
    print(f"The books and zips are in {target}", flush=True)
    return build(work, html)


def _folders() -> list[str]:
    return [folder for folder in LANGUAGES if (DOCS / folder).is_dir()]


def publish(work: Path, html: Path, folders: list[str], downloads: Path | None) -> None:
    """Replace the published site by the one just built, with what was made of it if that is given."""
    import hosting

    fresh = html.with_name(f"{html.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for folder in folders:
        shutil.copytree(work / folder / "html", fresh / folder, ignore=shutil.ignore_patterns(".buildinfo*"))
    hosting.publish(fresh)
    for page in fresh.rglob("*.html"):
        text = read(page)
        page.write_text(DOWNLOADS.sub(r"\1" if downloads else "", text), encoding="utf-8")
    if downloads:
        shutil.copytree(downloads, fresh / "downloads")
    replace(html, fresh)


def _made(html: Path, inputs: dict[str, str]) -> str:
    """Describe what was made for readers to take with them."""
    making = digest(DOCS / "dist.py", DOCS / "browser.py", DOCS / "book")
    return _publication(html.with_name("dist"), {**inputs, "dist": making})


def _publication(html: Path, inputs: dict[str, str]) -> str:
    """Describe what is published: from which inputs, where, and each file's size and time."""
    files = sorted((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in html.rglob("*.*"))
    return f"{inputs}\n{hashlib.sha256(repr(files).encode()).hexdigest()}"


@contextmanager
def workplace(work: Path) -> Iterator[None]:
    """Work alone, in an environment that no page can tell from another machine's, and leave nothing behind."""
    work.mkdir(parents=True, exist_ok=True)
    lock, temporary = FileLock(work / "lock"), work / "tmp"
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"Waiting for another build in {work} (if it is `make live`, stop that)", flush=True)
        lock.acquire()
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        # a socket's path has at most 107 characters
        if len(str(temporary)) <= 72:
            os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        os.environ.update(
            # one thread a kernel: sums do not depend on the number of cores
            OMP_NUM_THREADS="1",
            SOURCE_DATE_EPOCH="0",
            MATPLOTLIBRC=str(DOCS / "_ext" / "matplotlibrc"),
            MPLCONFIGDIR=str(work / "matplotlib"),
            # not the settings of whoever builds
            IPYTHONDIR=str(temporary / "ipython"),
            JUPYTER_CONFIG_DIR=str(temporary / "jupyter"),
            PYTHONPATH=os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        )
        sys.path[:0] = [str(ROOT / "src"), str(DOCS / "_ext")]
        yield
    finally:
        if "fork_server" in sys.modules:
            sys.modules["fork_server"].stop()
        shutil.rmtree(temporary, ignore_errors=True)
        lock.release()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--html", type=Path, default=ROOT / "build" / "html", help="where to publish")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "work", help="where Sphinx works")
    parser.add_argument("--dist", action="store_true", help="also make the book as PDF and EPUB, and zips, beside it")
    parser.add_argument("--live", type=int, metavar="PORT", help="serve on this machine, rebuild and reload on save")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # the builds are forks of this process, and sets must have one order
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    work, html = arguments.work.resolve(), arguments.html.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with workplace(work):
            if arguments.dist:
                import browser

                if browser.chromium() is None:
                    print("No Chromium to print the books with. On Debian: apt install chromium", file=sys.stderr)
                    return 1
            if arguments.live is None:
                return 0 if build(work, html) and (not arguments.dist or make_dist(work, html)) else 1
            import live

            live.serve(lambda: build(work, html), html, arguments.live)
        # something that this process has imported was saved
        os.execv(sys.executable, [sys.executable, *sys.argv])
    except KeyboardInterrupt:
        print("Interrupted; what was published before is unchanged.", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
