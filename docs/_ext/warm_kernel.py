"""A kernel that starts in a fraction of the time: a fork of the server, which has imported torch."""

import multiprocessing
import os
import signal
import sys
from importlib.metadata import EntryPoint
from multiprocessing import forkserver
from typing import Any

import fork_server
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

NAME = "warm"


def register() -> None:
    """Have jupyter_client start warm kernels, unless they are to be stock ones."""
    if not os.environ.get(fork_server.STOCK):
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
            fork_server.use_stock(f"the forkserver failed ({error!r})")
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
    # as it came, held back, from the driver's server
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, fork_server.STOPS)
    # with all that its cells may have started
    fork_server.end_with_parent(-os.getpid())
    # an open copy of this pipe would keep the server alive
    os.close(forkserver._forkserver._forkserver_alive_fd)
    os.environ.clear()
    os.environ.update(env)
    if cwd:
        os.chdir(cwd)

    sys.argv[1:] = arguments

    from ipykernel.kernelapp import IPKernelApp

    # Python reseeds its generator after a fork, these do not
    for name in ("numpy.random", "torch"):
        if name in sys.modules:
            sys.modules[name].seed()
    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(arguments)
    app.start()
