"""A server to fork kernels from: it imports what the pages import, once.

The driver imports Sphinx meanwhile, and the builds are forks of the driver.
Where forks do not work, builds are started afresh, and kernels are stock ones.
"""

import mmap
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import connection, forkserver, resource_tracker, util
from multiprocessing.context import BaseContext
from types import SimpleNamespace

STOCK = "BLOCKBOOK_STOCK_KERNELS"
STOPS = {signal.SIGINT, signal.SIGTERM}

# What a kernel imports, early or late, and what it imports if a page has the word.
# Never blockbook itself, nor docs/_ext: they may change between two builds of one server.
KERNEL = {
    "": [
        "ipykernel.kernelapp",
        "ipykernel.ipkernel",
        "ipykernel.debugger",
        "IPython.core.completerlib",
        "IPython.core.debugger",
        "IPython.core.oinspect",
        "IPython.extensions.storemagic",
        "faulthandler",
        "jupyter_client.provisioning",
        "sqlite3",
        "tornado.platform.asyncio",
        "tornado.queues",
        "multiprocessing.popen_forkserver",
    ],
    "torch": ["torch", "torch.testing", "numpy.random"],
    # each optimizer imports it
    "torch.optim": ["torch._dynamo"],
    "matplotlib": ["matplotlib.pyplot", "matplotlib.backends.backend_svg"],
}
BUILD = [
    "myst_nb.sphinx_ext",
    "myst_parser.sphinx_ext.directives",
    "nbclient",
    "pdb",
    "py_mini_racer",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.jinja2glue",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinxcontrib.katex",
]
# MyST-NB's own ways to execute, which execution.py replaces, would import a library for databases
for unused in ("Cache", "Direct"):
    sys.modules[f"myst_nb.core.execute.{unused.lower()}"] = SimpleNamespace(**{f"NotebookClient{unused}": None})

# whether it has been said that kernels are stock: memory that a build, as a fork of the driver, shares with it
_noted = mmap.mmap(-1, 1)


def start(pages: str, package: str) -> BaseContext:
    """Start the server for these sources if it does not run, and return the way to start builds."""
    if os.environ.get(STOCK):
        use_stock(f"{STOCK} is set")
    elif sys.platform != "linux":
        use_stock("only Linux forks safely")
    else:
        # debugpy, once imported, would warn in each kernel about Python's frozen modules
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        # matplotlib, imported before there is a kernel, would not draw into it
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        multiprocessing.set_forkserver_preload(
            [module for word, modules in KERNEL.items() if word in pages + package for module in modules]
        )
        # it lifts what is held when it starts
        resource_tracker.ensure_running()
        with stops_held():
            # the server keeps this: Ctrl-C is for the driver to answer
            forkserver.ensure_running()
            forks = _try_to_fork()
        _import_for_builds(pages, package)
        if forks:
            return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


@contextmanager
def stops_held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait: Python loses them in what it does around a fork and at the end of an import."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _try_to_fork() -> bool:
    try:
        if not (trial := os.fork()):
            os._exit(0)
        os.waitpid(trial, 0)
    except OSError as error:
        use_stock(f"this process cannot fork ({error!r})")
        return False
    return True


def _import_for_builds(pages: str, package: str) -> None:
    with stops_held():
        from sphinx.application import builtin_extensions
    # autodoc imports the package
    torch = ["torch"] if ".. auto" in pages and "import torch" in package else []
    for module in (*BUILD, *builtin_extensions, *torch):
        with stops_held():
            import_module(module)
    # these make at first what they then keep: patterns for a theme's selectors and for code, a check of notebooks
    with stops_held():
        import_module("soupsieve").compile("li.a > b:not(.c)")
        import_module("ipython_pygments_lexers").IPython3Lexer()
        import_module("nbformat.v4").new_notebook()


def stop() -> None:
    """End the server."""
    if (server := forkserver._forkserver._forkserver_pid) is not None:
        # it would else wait for all that hold on to it, and an interrupted start may be among them
        os.kill(server, signal.SIGKILL)
        forkserver._forkserver._stop()
    # multiprocessing removes its folder at exit, when the one around it is gone
    util._run_finalizers()


def use_stock(reason: str) -> None:
    os.environ[STOCK] = "1"
    if not _noted[0]:
        _noted[0] = 1
        print(f"Stock kernels, which take longer: {reason}.\n", end="", flush=True)


def join() -> None:
    """In a build's process: end with the driver, and have kernels start from the driver's server."""
    end_with_parent(os.getpid())
    if not os.environ.get(STOCK):
        # a kernel has no use for the driver's main module, which it would import
        del sys.modules["__main__"].__file__
        # the server is not this process's child, and must not be replaced by one that is
        forkserver._forkserver.ensure_running = lambda: None


def end_with_parent(whom: int) -> None:
    """Have the system end a process, or the group of a negative number, when the parent is gone, even if killed.

    A thread that watched would never run while a cell computes without releasing the interpreter's lock.
    """
    if sys.platform != "linux":
        return
    import fcntl

    pipe = multiprocessing.parent_process().sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, whom)
    # SIGIO, which ends whoever does not expect it
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if connection.wait([pipe], 0):
        os._exit(1)
