"""Time MySequential against nn.Sequential, and `import blockbook` against `import torch`.

The two take turns many times a second, so that what else the machine does slows both.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import quantiles
from typing import Any

import torch
from record import record, tables
from torch import nn

from blockbook import MySequential

CHAINS: dict[str, Callable[..., nn.Module]] = {"Sequential": nn.Sequential, "MySequential": MySequential}
IMPORT = "import sys, time; a = time.perf_counter(); import torch; b = time.perf_counter()"
SPLIT = f"{IMPORT}; import blockbook; c = time.perf_counter(); print((c - a) / (b - a))"


def call(chain: Callable[..., nn.Module], compile_: Callable[[Any], Any]) -> Callable[[], object]:
    """Return a call whose modules do nothing, so that only the chain's own work is left."""
    net, x = compile_(chain(*(nn.Identity() for _ in range(10)))), torch.rand(2, 20)
    return lambda: net(x)


def step(chain: Callable[..., nn.Module], compile_: Callable[[Any], Any]) -> Callable[[], object]:
    """Return a step of training of a small network."""
    torch.manual_seed(0)
    net = chain(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
    compiled, x = compile_(net), torch.rand(32, 20)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def once() -> None:
        optimizer.zero_grad()
        compiled(x).square().mean().backward()
        optimizer.step()

    return once


def take_turns(work: dict[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, list[float]]:
    """Return for each the microseconds of a call: the median, and the quartiles around it."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for once in work.values():
        for _ in range(20):
            once()
    for turn in range(rounds):
        # each goes first as often as the other
        for name in list(work)[:: 1 if turn % 2 else -1]:
            once = work[name]
            started = time.perf_counter()
            for _ in range(calls):
                once()
            found[name].append((time.perf_counter() - started) / calls * 1e6)
    return {name: [round(value, 3) for value in quantiles(times, method="inclusive")] for name, times in found.items()}


def time_imports(runs: int) -> dict[str, list[float]]:
    """Return the seconds of whole processes, and the share that blockbook adds within one process."""
    found: dict[str, list[float]] = {"torch": [], "blockbook": [], "share": []}
    for _ in range(runs):
        for name in ("torch", "blockbook"):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            found[name].append(round(time.perf_counter() - started, 3))
        split = subprocess.run([sys.executable, "-c", SPLIT], check=True, capture_output=True, text=True)
        found["share"].append(round(float(split.stdout), 4))
    return found


def time_blocks(rounds: int, backend: str) -> dict[str, Any]:
    # fullgraph: a break in the graph is an error, not a slower net
    whole_graph = partial(torch.compile, fullgraph=True, backend=backend)
    cases: dict[str, tuple[Any, Any, int]] = {
        "call": (call, lambda net: net, 200),
        "step": (step, lambda net: net, 20),
        "call compiled": (call, lambda net: whole_graph(lambda x: net(x)), 200),
        "step compiled": (step, whole_graph, 20),
        "call compiled alone": (call, whole_graph, 200),
    }
    found = {}
    for name, (make, compile_, calls) in cases.items():
        # what was compiled before would be looked through at every call
        torch.compiler.reset()
        found[name] = take_turns({kind: make(chain, compile_) for kind, chain in CHAINS.items()}, rounds, calls)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400, help="turns of each kind of chain")
    parser.add_argument("--imports", type=int, default=10, help="processes of each kind")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    backend = "inductor" if shutil.which("g++") else "aot_eager"
    if backend != "inductor":
        print("No C++ compiler here: torch.compile runs with the backend aot_eager, which does not speed up anything.")
    figures = {
        "backend": backend,
        "blocks": time_blocks(arguments.rounds, backend),
        "import": time_imports(arguments.imports),
    }
    print("\n" + tables({"blocks": record("blocks", figures)["blocks"]}))


if __name__ == "__main__":
    main()
