"""Build both languages side by side, and publish them together when both are whole."""

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
LANGUAGES = {"en": "en", "zh": "zh_CN"}


def build_language(folder: str, work: Path) -> None:
    from execution import CellError
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    # what a build that failed or was killed left behind would pass for done
    unfinished = work / folder / "unfinished"
    if unfinished.exists():
        shutil.rmtree(work / folder)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    with patch_docutils(ROOT), docutils_namespace():
        app = Sphinx(
            srcdir=ROOT / "docs" / folder,
            confdir=ROOT,
            outdir=work / folder / "html",
            doctreedir=work / folder / "doctrees",
            buildername="html",
            confoverrides={"language": LANGUAGES[folder], "inputs_digest": inputs_digest()},
            status=None,
            warningiserror=True,
        )
        try:
            app.build()
        except CellError as error:
            sys.exit(f"A cell failed: {error}")
    if app.statuscode:
        sys.exit(app.statuscode)
    unfinished.unlink()


def inputs_digest() -> str:
    """Return a digest of what every page depends on: configuration, extensions, installed versions."""
    import hashlib
    from importlib.metadata import distributions

    files = [
        ROOT / "conf.py",
        *sorted((ROOT / "docs" / "_ext").rglob("*.py")),
        *sorted((ROOT / "docs" / "_ext").rglob("*.json")),
    ]
    installed = sorted(f"{d.name}=={d.version}" for d in distributions())
    return hashlib.sha256(
        b"\0".join([path.read_bytes() for path in files] + [line.encode() for line in installed])
    ).hexdigest()


def publish(work: Path, html: Path) -> None:
    """Replace the published site by the one just built, in one step."""
    fresh, stale = html.with_suffix(".new"), html.with_suffix(".old")
    for left in (fresh, stale):
        shutil.rmtree(left, ignore_errors=True)
    for folder in LANGUAGES:
        shutil.copytree(work / folder / "html", fresh / folder, ignore=shutil.ignore_patterns(".buildinfo*"))
    static = ROOT / "docs" / "_static"
    shutil.copy(static / "root.html", fresh / "index.html")
    # a host shows this page for any address, so that its links start at the site's root
    base = urlsplit(os.environ.get("BLOCKBOOK_BASE_URL", "")).path.rstrip("/") + "/"
    missing = (static / "404.html").read_text(encoding="utf-8")
    (fresh / "404.html").write_text(missing.replace('<base href="/">', f'<base href="{base}">'), encoding="utf-8")
    if html.exists():
        html.rename(stale)
    fresh.rename(html)
    shutil.rmtree(stale, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--html", type=Path, default=ROOT / "build" / "html", help="where to publish")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "work", help="where Sphinx works")
    arguments = parser.parse_args()
    started = time.monotonic()

    # one thread a kernel: sums do not depend on the number of cores
    os.environ.update(PYTHONHASHSEED="0", OMP_NUM_THREADS="1", SOURCE_DATE_EPOCH="0")
    os.environ.update(
        MATPLOTLIBRC=str(ROOT / "docs" / "_ext" / "matplotlibrc"), MPLCONFIGDIR=str(arguments.work / "matplotlib")
    )
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    import warm_kernel

    if not warm_kernel.start():
        print("No forkserver here: each page starts a stock kernel, which takes longer.", flush=True)
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    builds = [context.Process(target=build_language, args=(folder, arguments.work)) for folder in LANGUAGES]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    if any(build.exitcode for build in builds):
        return 1
    publish(arguments.work, arguments.html)
    print(f"{time.monotonic() - started:.1f} s. Open {arguments.html / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
