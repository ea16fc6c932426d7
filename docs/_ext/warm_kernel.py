"""A kernel that starts in a fraction of the time: forked from a process that has imported torch.

The standard library's forkserver imports the packages below once; each page's kernel is a fresh
fork of it. Where there is no forkserver, jupyter_client's own provisioner starts a stock kernel.
"""

import multiprocessing
import os
import threading
from importlib.metadata import EntryPoint
from multiprocessing import forkserver
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

NAME = "warm"

# never blockbook itself: its sources may change between two builds of one server
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
]


def start() -> bool:
    """Start the server and make its kernels the default; return whether that worked."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    # debugpy, once imported, would warn in each kernel about Python's frozen modules
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    # matplotlib, imported before there is a kernel, would not draw into it
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    multiprocessing.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()
    owner = os.getpid()

    def ensure_running() -> None:
        # Sphinx's children inherit the server, but it is not theirs to wait for
        if os.getpid() == owner:
            type(forkserver._forkserver).ensure_running(forkserver._forkserver)

    forkserver._forkserver.ensure_running = ensure_running
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:WarmProvisioner", factory.GROUP_NAME)
    factory.default_provisioner_name = NAME
    return True


class WarmProvisioner(LocalProvisioner):
    """Launch a kernel as a fork of the server."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        process = multiprocessing.get_context("forkserver").Process(
            target=_run_kernel, args=(arguments, kwargs.get("cwd"), kwargs.get("env", dict(os.environ)))
        )
        process.start()
        self.process = _Popen(process)
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info


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
    _end_with_parent()
    os.environ.clear()
    os.environ.update(env)
    if cwd:
        os.chdir(cwd)

    import numpy
    from ipykernel.kernelapp import IPKernelApp

    # Python reseeds its generator after a fork, numpy does not
    numpy.random.seed()
    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(arguments)
    app.start()


def _end_with_parent() -> None:
    """Leave when the build is gone, even if it was killed."""
    # an open copy of this pipe would keep the server alive
    os.close(forkserver._forkserver._forkserver_alive_fd)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
