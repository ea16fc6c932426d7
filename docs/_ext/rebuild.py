"""Make a rebuild as exact as a clean build: Sphinx alone goes by dates, and forgets what other pages show.

A page is read if its text, or what it depends on, is not what it was when the last build began.
Templates are compiled once, not once a build.
"""

import hashlib
import os
import pickle
import shutil
from pathlib import Path

from execution import PACKAGE
from jinja2 import FileSystemBytecodeCache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search import IndexBuilder
from transcripts import TRANSCRIPTS

INDEX = ("_titles", "_filenames", "_mapping", "_title_mapping", "_all_titles", "_index_entries")
# what was in a file when this build first looked
_contents: dict[Path, bytes] = {}


def keep_templates(app: Sphinx) -> None:
    """Keep compiled templates beside what else a build keeps, for as long as the same versions are installed."""
    if app.builder.format != "html":
        return
    folder = Path(app.doctreedir, "templates", f"of-{app.config.inputs_digest[:16]}")
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
    app.builder.templates.environment.bytecode_cache = FileSystemBytecodeCache(str(folder))


def find_changed(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Correct what Sphinx finds by the times of files."""
    _contents.clear()
    for folder in (Path(app.srcdir), PACKAGE, TRANSCRIPTS):
        for path in folder.rglob("*"):
            _content(path)
    known = getattr(env, "stamps", {})
    differ = {name for name in env.all_docs.keys() & env.found_docs if _stamp(env, name) != known.get(name)}
    changed &= differ
    return sorted(differ)


def _stamp(env: BuildEnvironment, docname: str) -> str:
    """Return a digest of a page and of the files it depends on, as they were when this build began."""
    files = {os.path.normpath(path) for path in (env.doc2path(docname), *env.dependencies[docname])}
    return hashlib.sha256(b"".join(_content(Path(path)) for path in sorted(files))).hexdigest()


def _content(path: Path) -> bytes:
    if path not in _contents:
        _contents[path] = hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b""
    return _contents[path]


def write_whole_if_needed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Write every page if something has changed that other pages show: titles, contents, labels, looks."""
    # MyST-NB writes this last: a page would show its checksum in every build but the first
    for style in Path(app.outdir).glob("_static/mystnb.*.css"):
        style.unlink()
    env.stamps = {name: _stamp(env, name) for name in env.all_docs}
    pages = {name: (env.titles[name].pformat(), env.tocs[name].pformat()) for name in sorted(env.all_docs)}
    objects = sorted(repr(entry) for domain in env.domains.sorted() for entry in domain.get_objects())
    shared = hashlib.sha256(repr((pages, objects, app.config.looks_digest)).encode()).hexdigest()
    if shared == getattr(env, "shared", None):
        return []
    env.shared = shared
    # with nothing left of pages that are no more
    shutil.rmtree(app.outdir)
    Path(app.outdir).mkdir()
    return sorted(env.all_docs)


def keep_index(app: Sphinx, exception: Exception | None) -> None:
    """Keep all of the search index: Sphinx would load it from searchindex.js, which lacks some of it."""
    if exception is None:
        index = vars(app.builder.indexer)
        _index_file(app).write_bytes(pickle.dumps({name: index[name] for name in INDEX}))


def _index_file(app: Sphinx) -> Path:
    return Path(app.doctreedir, "index.pickle")


def _prune(index: IndexBuilder, docnames: set[str]) -> None:
    _prune_all(index, docnames)
    for words in (index._mapping, index._title_mapping):
        for word in [word for word, names in words.items() if not names]:
            del words[word]


_prune_all, IndexBuilder.prune = IndexBuilder.prune, _prune


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", keep_templates)
    app.connect("env-get-outdated", find_changed)
    app.connect("env-updated", write_whole_if_needed, priority=900)
    app.connect("build-finished", keep_index)
    IndexBuilder.load = lambda index, *_: vars(index).update(pickle.loads(_index_file(app).read_bytes()))
    return {"parallel_read_safe": False, "parallel_write_safe": True}
