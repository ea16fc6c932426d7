"""A kernel that starts in a fraction of the time: forked from a process that has imported torch.

The standard library's forkserver imports the packages below once; the two builds and each page's
kernel are fresh forks of it. Where that does not work, jupyter_client's own provisioner starts stock kernels.
"""

import multiprocessing
import os
import signal
import sys
import threading
from importlib.metadata import EntryPoint
from multiprocessing import connection, forkserver, util
from multiprocessing.context import BaseContext
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

NAME = "warm"
STOCK = "BLOCKBOOK_STOCK_KERNELS"

# never blockbook itself, nor docs/_ext: they may change between two builds of one server
PRELOAD = [
    "torch",
    "torch._dynamo",
    "torch.testing",
    "numpy",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_svg",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.inprocess",
    "debugpy.server.api",
    "IPython.core.completer",
    "jedi",
    "pdb",
    "multiprocessing.popen_forkserver",
    "myst_nb.sphinx_ext",
    "sphinx.builders.html",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinxcontrib.katex",
]


def start() -> BaseContext:
    """Start the server if it does not run, and return the way to start processes from it, or the stock way."""
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if os.environ.get(STOCK):
        reason = f"{STOCK} is set"
    elif sys.platform != "linux":
        reason = "only Linux forks safely"
    else:
        # debugpy, once imported, would warn in each kernel about Python's frozen modules
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        # matplotlib, imported before there is a kernel, would not draw into it
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        multiprocessing.set_forkserver_preload(PRELOAD)
        # the server inherits this: Ctrl-C is for the driver to answer
        answer = signal.signal(signal.SIGINT, signal.SIG_IGN)
        forkserver.ensure_running()
        signal.signal(signal.SIGINT, answer)
        failures: list[str] = []
        # it waits for the imports; a thread can be left waiting
        trial = threading.Thread(target=_try_fork, args=(context, failures), daemon=True)
        trial.start()
        trial.join()
        if not failures:
            return context
        reason = failures[0]
    _use_stock(reason)
    return multiprocessing.get_context("spawn")


def _try_fork(context: BaseContext, failures: list[str]) -> None:
    process = context.Process(target=os.getpid)
    try:
        process.start()
        process.join()
        if process.exitcode != 0:
            failures.append(f"a forked process ended with {process.exitcode}")
    except (OSError, EOFError) as error:
        failures.append(f"the forkserver failed ({error!r})")


def stop() -> None:
    """End the server."""
    if (server := forkserver._forkserver._forkserver_pid) is not None:
        # it would else wait for all that hold on to it, and an interrupted start may be among them
        os.kill(server, signal.SIGKILL)
        forkserver._forkserver._stop()
    # multiprocessing removes its folder at exit, when the one around it is gone
    util._run_finalizers()


def _use_stock(reason: str) -> None:
    if os.environ.get(STOCK) != "noted":
        print(f"Stock kernels, which take longer: {reason}.", flush=True)
    os.environ[STOCK] = "noted"


def join_server() -> None:
    """In a build's process: end with the driver, and have kernels start from the server that it came from."""
    _end_with_parent(os.getpid())
    if os.environ.get(STOCK):
        return
    # this process is the server's child, and would start a server of its own
    forkserver._forkserver.ensure_running = lambda: None
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:WarmProvisioner", factory.GROUP_NAME)
    factory.default_provisioner_name = NAME


class WarmProvisioner(LocalProvisioner):
    """Launch a kernel as a fork of the server."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        process = multiprocessing.get_context("forkserver").Process(
            target=_run_kernel, args=(arguments, kwargs.get("cwd"), kwargs.get("env", dict(os.environ)))
        )
        try:
            process.start()
        except (OSError, EOFError) as error:
            _use_stock(f"the forkserver failed ({error!r})")
            return await super().launch_kernel(cmd, **kwargs)
        self.process = _Popen(process)
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        await super().kill(restart)
        # else the manager finds it alive, and looks again after 0.1 s
        if self.process:
            self.process.wait()


class _Popen:
    """What LocalProvisioner asks of a subprocess, answered by a multiprocessing process."""

    stdin = stdout = stderr = None

    def __init__(self, process: Any) -> None:
        self._process = process
        self.kill = process.kill
        self.terminate = process.terminate

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, signum: int) -> None:
        os.kill(self._process.pid, signum)


def _run_kernel(arguments: list[str], cwd: str | None, env: dict[str, str]) -> None:
    os.setsid()
    # with all that its cells may have started
    _end_with_parent(-os.getpid())
    # an open copy of this pipe would keep the server alive
    os.close(forkserver._forkserver._forkserver_alive_fd)
    os.environ.clear()
    os.environ.update(env)
    if cwd:
        os.chdir(cwd)

    sys.argv[1:] = arguments

    import numpy
    from ipykernel.kernelapp import IPKernelApp

    # Python reseeds its generator after a fork, these do not
    numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.seed()
    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(arguments)
    app.start()


def _end_with_parent(whom: int) -> None:
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
