"""What several test modules need: random networks, refusals that change nothing, a random state left alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser

import pytest
import torch
from hypothesis import register_random, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.parameter import is_lazy

settings.register_profile("blockbook", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("blockbook")


class TorchRandom:
    """PyTorch's global random state, for hypothesis to seed before each example."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


# hypothesis holds only a weak reference
TORCH_RANDOM = TorchRandom()
register_random(TORCH_RANDOM)

NOT_MODULES = [
    pytest.param(3, "3", id="number"),
    pytest.param(None, "None", id="None"),
    pytest.param("relu", "'relu'", id="string"),
    pytest.param([nn.ReLU()], "[ReLU()]", id="list"),
    pytest.param(nn.Parameter(torch.zeros(1)), "Parameter c", id="parameter"),
    pytest.param(nn.ReLU, "the class ReLU", id="class"),
    pytest.param(torch.relu, "the function relu", id="function"),
    pytest.param(partial(torch.relu), "the function partial", id="callable without a name"),
]


@dataclass
class Snapshot:
    """Names, identities and bits of all that a module holds; equal if nothing was changed."""

    facts: list[tuple]
    held: list[object] = field(compare=False)  # an object that is held cannot lend its id to another


def snapshot(module: nn.Module) -> Snapshot:
    modules = list(module.named_modules(remove_duplicate=False))
    tensors = [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]
    facts: list[tuple] = [(name, id(child), type(child), child.training) for name, child in modules]
    facts += [(name, id(tensor), type(tensor), tensor.requires_grad, bits(tensor)) for name, tensor in tensors]
    return Snapshot(facts, [modules, tensors])


def bits(tensor: torch.Tensor) -> tuple | None:
    if is_lazy(tensor) or tensor.is_meta:
        return None
    return tensor.dtype, tuple(tensor.shape), tensor.detach().numpy().tobytes()


@contextmanager
def refuses(error: type[Exception], rule: str, got: str, *modules: nn.Module) -> Iterator[None]:
    """Expect an error that gives the rule, then the value, and leaves the modules and the random state alone."""
    before, random_state = [snapshot(module) for module in modules], torch.get_rng_state()
    with pytest.raises(error) as caught:
        yield
    assert caught.type is error
    first, _, rest = str(caught.value).partition("\n")
    assert first == rule
    assert got in rest
    assert [snapshot(module) for module in modules] == before
    assert torch.equal(torch.get_rng_state(), random_state)


@contextmanager
def global_rng_untouched() -> Iterator[None]:
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


def exactly_equal(first: object, second: object) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)


WIDTH = 3


def _batch_norm() -> nn.Module:
    layer = nn.BatchNorm1d(WIDTH)
    with torch.no_grad():
        layer.running_mean.uniform_(-1, 1)
        layer.running_var.uniform_(0.5, 2)
    return layer


LEAVES = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "linear without bias": lambda: nn.Linear(WIDTH, WIDTH, bias=False),
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "dropout": nn.Dropout,
    "batch norm": _batch_norm,
}

# An item is the name of a leaf, a tuple of items (a chain in the chain), or the number of a module made before.
items = st.recursive(
    st.sampled_from([*LEAVES, *range(4)]),
    lambda item: st.lists(item, max_size=4).map(tuple),
    max_leaves=8,
)
recipes = st.lists(items, max_size=6).map(tuple)
pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=3)


def build(chain: type[nn.Module], recipe: tuple) -> nn.Module:
    """Make a chain in evaluation mode; the same recipe gives the same values."""
    torch.manual_seed(0)
    made: list[nn.Module] = []

    def make(item):
        if isinstance(item, int) and made:
            return made[item % len(made)]
        module = chain(*map(make, item)) if isinstance(item, tuple) else LEAVES.get(item, nn.Identity)()
        made.append(module)
        return module

    return chain(*map(make, recipe)).eval()


@st.composite
def tied_nets(draw: st.DrawFn) -> nn.Module:
    """Networks of repeated modules, weights tied between modules and inside one, and tied buffers."""
    net = build(nn.Sequential, ("linear", "batch norm", *draw(recipes))).double()
    linears = [module for module in net.modules() if isinstance(module, nn.Linear)]
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d)]
    for first, second in draw(pairs):
        linears[first % len(linears)].weight = linears[second % len(linears)].weight
    for first, second in draw(pairs):
        norms[first % len(norms)].running_mean = norms[second % len(norms)].running_mean
        norms[first % len(norms)].weight = norms[second % len(norms)].bias
    for first, _ in draw(pairs):
        linears[first % len(linears)].weight.requires_grad_(False)
    return net


class Tree(HTMLParser):
    """Reads HTML and insists that every tag is closed, in order; keeps tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.open
        self.text.append((self.open[-1], data))
