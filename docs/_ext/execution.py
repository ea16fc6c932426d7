"""Execute the pages that a build reads, ahead of the reading and several at a time.

The languages have the same cells: whichever build comes first to a page executes it, and the other takes the outputs.
"""

import copy
import hashlib
import json
import os
import pickle
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import myst_nb.core.execute
import nbclient
import warm_kernel
from filelock import FileLock
from myst_nb.core.execute.base import NotebookClientBase
from myst_nb.core.read import create_nb_reader
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from traitlets.config import Config
from transcripts import code_cells

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "blockbook"
os.environ["JUPYTER_PATH"] = str(Path(__file__).with_name("jupyter"))

# kernels spend most of their start waiting, so there may be more of them than cores
WORKERS = (os.cpu_count() or 1) + 2
_executions: dict[Path, "Future[NotebookNode]"] = {}
# what was executed for the page that is being read
finished: dict[Path, NotebookNode] = {}
_pool: ThreadPoolExecutor | None = None


class CellError(SphinxError):
    """A cell that did not do what its page says it does."""

    category = "A cell failed"


def execute_once(path: Path, notebook: NotebookNode, timeout: int, shared: Path) -> NotebookNode:
    """Run the cells of a page, or take the outputs if this build has run the same cells for the other language."""
    cells = [[cell.source, cell.metadata] for cell in code_cells(notebook)]
    result = shared / hashlib.sha256(json.dumps(cells).encode()).hexdigest()
    with FileLock(f"{result}.lock"):
        if not result.exists():
            executed: NotebookNode | CellError
            try:
                executed = execute(copy.deepcopy(notebook), timeout)
            except CellError as error:
                executed = error
            result.write_bytes(pickle.dumps(executed))
        executed = pickle.loads(result.read_bytes())
    if isinstance(executed, CellError):
        raise CellError(f"{path.relative_to(ROOT)}, {executed}")
    return executed


def execute(notebook: NotebookNode, timeout: int) -> NotebookNode:
    """Run the cells of a notebook in a kernel and a folder of its own, and note how long they took."""
    started = time.monotonic()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cwd = Path(folder, "cwd")
        cwd.mkdir()
        # sockets in a private folder: no ports to take, and no warning about unencrypted ones
        manager = {"transport": "ipc", "connection_file": f"{folder}/k.json"} if os.name == "posix" else {}
        reached = 0

        def note_cell(cell: NotebookNode, cell_index: int) -> None:
            nonlocal reached
            reached += cell.cell_type == "code"

        client = nbclient.NotebookClient(
            notebook,
            timeout=timeout,
            ipython_hist_file="",
            resources={"metadata": {"path": str(cwd)}},
            # nothing waits for a kernel that has run its page, or that hangs
            shutdown_kernel="immediate",
            # what a cell prints may come in pieces on a busy machine
            coalesce_streams=True,
            on_cell_start=note_cell,
            config=Config({"KernelManager": manager}),
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise CellError(f"code cell {reached}: {_one_line(error)}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            reason = f"ran longer than {timeout} s" if isinstance(error, CellTimeoutError) else "the kernel died"
            raise CellError(f"code cell {reached}: {reason}") from None
        except RuntimeError as error:
            raise CellError(f"the kernel did not start ({error})") from None
    for number, cell in enumerate(code_cells(notebook), 1):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if "raises-exception" in cell.metadata.get("tags", ()) and not errors:
            raise CellError(f"code cell {number}: is tagged raises-exception and raised nothing")
        for output in errors:
            # the traceback names files of this machine
            output.traceback = [f"{output.ename}: {output.evalue}"]
    notebook.metadata["seconds"] = time.monotonic() - started
    return notebook


def _one_line(error: CellExecutionError) -> str:
    """Return the error and the line of the cell that raised it."""
    line = re.search(r"^-+> \d+ (.*)$", error.traceback, re.MULTILINE)
    where = f" (in: {line[1].strip()})" if line else ""
    return f"{error.ename}: {error.evalue}".replace("\n", " ").strip() + where


class AheadClient(NotebookClientBase):
    """Give MyST-NB the page that was, or is being, executed."""

    def start_client(self) -> None:
        executed = _executions.pop(self.path).result()
        cells, done = code_cells(self.notebook), code_cells(executed)
        if [cell.source for cell in done] != [cell.source for cell in cells]:
            # it was saved between its execution and its reading
            executed = execute(copy.deepcopy(self.notebook), self.nb_config.execution_timeout)
            done = code_cells(executed)
        self.notebook.metadata["language_info"] = executed.metadata["language_info"]
        for cell, other in zip(cells, done, strict=True):
            cell.outputs, cell.execution_count = other.outputs, other.execution_count
        finished[self.path] = executed


def start_executions(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    global _pool
    _pool = ThreadPoolExecutor(WORKERS)
    # the driver clears this folder before each build
    shared = Path(app.outdir).parents[1] / "executed"
    shared.mkdir(exist_ok=True)
    # one language begins at the end, so that they meet in the middle
    for docname in docnames if app.config.language == "en" else docnames[::-1]:
        path = Path(env.doc2path(docname))
        text = path.read_text(encoding="utf-8")
        if reader := create_nb_reader(str(path), env.myst_config, env.mystnb_config, text):
            _executions[path] = _pool.submit(
                execute_once, path, reader.read(text), env.mystnb_config.execution_timeout, shared
            )


def note_package_and_report(app: Sphinx, doctree: Any) -> None:
    """Read a page again when the package that it runs or documents has changed; say what was read."""
    env = app.env
    spent = "   read"
    sources = {os.path.normpath(source) for source in env.dependencies[env.docname]}
    uses_package = any(source.startswith(f"{PACKAGE}{os.sep}") for source in sources)
    if executed := finished.pop(Path(env.doc2path(env.docname)), None):
        uses_package |= any("blockbook" in cell.source for cell in code_cells(executed))
        spent = f"{executed.metadata['seconds']:5.1f} s"
    if uses_package:
        for source in PACKAGE.rglob("*.py"):
            env.note_dependency(str(source))
    # in one piece: the other language writes too
    print(f"{app.config.language[:2]}  {env.docname:28}{spent}\n", end="", flush=True)


def stop_executions(app: Sphinx, exception: Exception | None) -> None:
    if _pool:
        _pool.shutdown(wait=False, cancel_futures=True)
    _executions.clear()


def setup(app: Sphinx) -> dict[str, bool]:
    warm_kernel.register()
    myst_nb.core.execute.NotebookClientDirect = AheadClient
    app.connect("env-before-read-docs", start_executions, priority=900)
    app.connect("doctree-read", note_package_and_report, priority=900)
    app.connect("build-finished", stop_executions)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
