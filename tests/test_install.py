"""What is installed is what requirements.lock pins."""

import re
from importlib.metadata import distributions

from pages import ROOT

# the build of torch that other registries serve brings these
OF_TORCH_WITH_CUDA = re.compile(r"nvidia-|cuda-|triton$")


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_installed_versions_are_the_locked_ones() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").split()
    locked = {_normalised(name): version for name, version in (line.split("==") for line in lines)}
    installed = {_normalised(d.name): d.version.partition("+")[0] for d in distributions()}
    for ours in ("blockbook", "pip"):
        del installed[ours]
    assert {name: version for name, version in installed.items() if not OF_TORCH_WITH_CUDA.match(name)} == locked
