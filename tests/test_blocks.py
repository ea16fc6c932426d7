import copy
import io
import math
import signal
from contextlib import contextmanager

import pytest
import scipy
import torch
from helpers import NOT_MODULES, WIDTH, bits, build, exactly_equal, recipes, refuses, snapshot
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from blockbook import MLP, FixedHiddenMLP, MySequential, NestMLP

SIZES = [
    (MLP, "in_features"),
    (MLP, "hidden_features"),
    (MLP, "out_features"),
    (FixedHiddenMLP, "features"),
    (NestMLP, "in_features"),
    (NestMLP, "out_features"),
]
BLOCKS = [MLP, FixedHiddenMLP, NestMLP]

leading_shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
small = st.integers(1, 6)


def affine(x, layer):
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def set_to_constant_output(net, hidden):
    """Make the hidden values of a FixedHiddenMLP the given ones, whatever its input."""
    with torch.no_grad():
        net.rand_weight.zero_()
        net.linear.weight.zero_()
        net.linear.bias.copy_(torch.tensor(hidden))


@contextmanager
def time_limit(seconds):
    def give_up(*_):
        raise AssertionError(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# All blocks


@pytest.mark.parametrize(("block", "argument"), SIZES)
@pytest.mark.parametrize("size", [2.0, "20", None, True, [20]])
def test_a_size_that_is_no_integer_is_a_type_error(block, argument, size):
    with refuses(TypeError, f"{argument} is a positive integer", f"got: {size!r}"):
        block(**{argument: size})


@pytest.mark.parametrize(("block", "argument"), SIZES)
@pytest.mark.parametrize("size", [0, -1, -20])
def test_a_size_below_one_is_a_value_error(block, argument, size):
    with refuses(ValueError, f"{argument} is a positive integer", f"got: {size}"):
        block(**{argument: size})


@pytest.mark.parametrize(("block", "argument"), SIZES)
def test_a_size_of_one_is_allowed(block, argument):
    net = block(**{argument: 1})
    assert net(torch.rand(2, 1 if argument in ("in_features", "features") else 20)).isfinite().all()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("x", [None, 3, [1.0] * 20, "x"], ids=repr)
def test_an_input_that_is_no_tensor_is_a_type_error(block, x):
    net = block()
    got = "[1.0, 1.0" if isinstance(x, list) else f"got: {x!r}"
    with refuses(TypeError, f"{block.__name__} needs a tensor of shape (..., 20)", got, net):
        net(x)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(), (19,), (2, 21), (20, 2), (0,), (20, 0)])
def test_an_input_of_another_last_dimension_is_a_value_error(block, shape):
    net = block()
    with refuses(ValueError, f"{block.__name__} needs a tensor of shape (..., 20)", f"got: {shape}", net):
        net(torch.zeros(shape))


def test_a_subclass_is_refused_under_its_own_name():
    class Wider(MLP):
        pass

    net = Wider(4)
    with refuses(ValueError, "Wider needs a tensor of shape (..., 4)", "got: (2, 5)", net):
        net(torch.zeros(2, 5))


# MLP


@given(small, small, small, leading_shapes)
def test_mlp_is_two_matrix_products_with_a_relu_between(in_features, hidden_features, out_features, leading):
    net = MLP(in_features, hidden_features, out_features).double()
    x = torch.randn(*leading, in_features, dtype=torch.float64)
    expected = affine(affine(x, net.hidden).clamp(min=0), net.out)
    assert expected.shape == (*leading, out_features)
    torch.testing.assert_close(net(x), expected)


def test_mlp_has_the_sizes_and_names_of_the_book():
    shapes = {name: tuple(value.shape) for name, value in MLP().state_dict().items()}
    assert shapes == {"hidden.weight": (256, 20), "hidden.bias": (256,), "out.weight": (10, 256), "out.bias": (10,)}


# MySequential


def assert_same_chain(mine, theirs, x):
    """Compare everything that one can see of two chains but the name of their class."""
    for method in ("named_modules", "named_parameters", "named_buffers"):
        for remove_duplicate in (True, False):
            first, second = (getattr(net, method)(remove_duplicate=remove_duplicate) for net in (mine, theirs))
            assert [name for name, _ in first] == [name for name, _ in second]
    assert [name for name, _ in mine.named_children()] == [name for name, _ in theirs.named_children()]
    assert repr(mine).replace("MySequential", "Sequential") == repr(theirs)
    exactly_equal(mine.state_dict(), theirs.state_dict())
    assert list(mine.state_dict()) == list(theirs.state_dict())

    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [net(input_) for net, input_ in zip((mine, theirs), inputs, strict=True)]
    exactly_equal(*outputs)
    for output in outputs:
        (output * torch.arange(1.0, output.numel() + 1).reshape(output.shape)).sum().backward()
    exactly_equal(inputs[0].grad, inputs[1].grad)
    for first, second in zip(mine.parameters(), theirs.parameters(), strict=True):
        exactly_equal(first.grad, second.grad)


@given(recipes)
@example(())
@example(((),))
@example(("linear", 0, "relu", 0, 2, 2))
@example((("linear", ("tanh", 0)), 2, "batch norm", 3))
def test_chain_is_nn_sequential_but_for_its_name(recipe):
    mine, theirs = build(MySequential, recipe), build(nn.Sequential, recipe)
    assert_same_chain(mine, theirs, torch.randn(4, WIDTH))


@given(recipes)
@example(("linear", ("batch norm", 0), 0))
def test_chain_and_nn_sequential_load_what_the_other_saved(recipe):
    mine, theirs = build(MySequential, recipe), build(nn.Sequential, recipe)
    x = torch.randn(4, WIDTH)
    for source, target in ((mine, theirs), (theirs, mine)):
        with torch.no_grad():
            for tensor in source.parameters():
                tensor.add_(1)
        if list(source.parameters()):
            with pytest.raises(AssertionError):
                exactly_equal(dict(source.state_dict()), dict(target.state_dict()))
        assert str(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
        exactly_equal(source(x), target(x))


def test_chain_drops_out_in_training_as_nn_sequential_does():
    mine, theirs = (build(chain, ("linear", "dropout", 1)).train() for chain in (MySequential, nn.Sequential))
    outputs = []
    for net in (mine, theirs):
        torch.manual_seed(1)
        outputs.append(net(torch.ones(50, WIDTH)))
    exactly_equal(*outputs)
    assert (outputs[0] == 0).any()


def test_chain_without_modules_returns_its_input():
    x = torch.rand(2, 3)
    assert MySequential()(x) is x


def test_chain_runs_a_repeated_module_at_each_of_its_places():
    calls = []
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda *_: calls.append("linear"))
    MySequential(layer, nn.ReLU(), layer, layer)(torch.rand(1, 2))
    assert calls == ["linear"] * 3


def test_chain_passes_on_what_is_no_tensor():
    class Swap(nn.Module):
        def forward(self, pair):
            return pair[1], pair[0]

    assert MySequential(Swap(), nn.Identity())(("a", "b")) == ("b", "a")


def test_append_adds_at_the_end_and_returns_the_chain():
    chain, layer = MySequential(nn.ReLU()), nn.Linear(2, 2)
    assert chain.append(layer) is chain
    assert chain.append(layer) is chain
    assert list(chain._modules) == ["0", "1", "2"]
    assert chain._modules["1"] is chain._modules["2"] is layer


def test_append_numbers_past_ten():
    chain = MySequential(*(nn.Identity() for _ in range(12)))
    assert [name for name, _ in chain.named_children()] == [str(index) for index in range(12)]


@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_chain_refuses_what_is_no_module(value, got):
    chain = MySequential(nn.Linear(2, 2), nn.ReLU())
    with refuses(TypeError, "MySequential needs a module", f"got: {got}", chain):
        chain.append(value)
    with refuses(TypeError, "MySequential needs a module", f"got: {got}", chain):
        MySequential(nn.ReLU(), value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (nn.ReLU, "hint: pass an instance: ReLU(...)"),
        (torch.relu, "hint: a function registers nothing: use its module, as nn.ReLU() for torch.relu"),
        (lambda x: x, "hint: a function registers nothing: use its module, as nn.ReLU() for torch.relu"),
    ],
)
def test_chain_says_what_to_pass_instead_of_a_class_or_a_function(value, hint):
    with pytest.raises(TypeError, match="MySequential needs a module") as caught:
        MySequential(value)
    assert str(caught.value).splitlines()[2:] == [f"  {hint}"]
    assert " at 0x" not in str(caught.value)


def test_chain_gives_no_hint_for_a_value_that_cannot_be_called():
    with pytest.raises(TypeError, match="MySequential needs a module") as caught:
        MySequential(list(range(1000)))
    assert str(caught.value) == "MySequential needs a module\n  got: [0, 1, 2, 3, 4, 5, ...]"


def test_deepcopy_of_a_chain_keeps_a_repeated_module_one_module():
    layer = nn.Linear(2, 2)
    twin = copy.deepcopy(MySequential(layer, nn.ReLU(), layer))
    assert twin._modules["0"] is twin._modules["2"] is not layer


def test_chain_compiles_in_one_graph():
    layer = nn.Linear(3, 3)
    chain = MySequential(layer, MySequential(nn.Tanh(), layer), nn.ReLU())
    x = torch.randn(4, 3)
    torch.testing.assert_close(torch.compile(chain, backend="eager", fullgraph=True)(x), chain(x))


# FixedHiddenMLP


def direct_fixed_hidden(x, constant, first, second):
    """Compute the block with a linear layer for each of the two uses, and the halvings in closed form."""
    values = affine(F.relu(affine(x, first) @ constant + 1), second)
    total = values.abs().sum().item()
    return values.sum() / 2 ** max(0, math.ceil(math.log2(total)) if total else 0)


@given(small, leading_shapes, st.floats(0.01, 1000))
def test_fixed_hidden_mlp_is_the_direct_computation(features, leading, scale):
    net = FixedHiddenMLP(features).double()
    x = scale * torch.randn(*leading, features, dtype=torch.float64)
    output = net(x)
    assert output.shape == ()
    assert output.abs() <= 1
    torch.testing.assert_close(output, direct_fixed_hidden(x, net.rand_weight, net.linear, net.linear))


@pytest.mark.parametrize(
    ("hidden", "output"),
    [
        ([0.5, 0.5], 1.0),
        ([-0.5, -0.5], -1.0),
        ([1.0, 1.0], 1.0),
        ([0.5, 0.5 + 2**-20], 0.5 + 2**-21),
        ([3.0, -2.5], 0.0625),
        ([0.25, -0.5], -0.25),
        ([0.0, 0.0], 0.0),
    ],
)
def test_fixed_hidden_mlp_halves_while_the_absolute_sum_exceeds_one(hidden, output):
    net = FixedHiddenMLP(2)
    set_to_constant_output(net, hidden)
    assert net(torch.rand(1, 2)).item() == output


def test_fixed_hidden_mlp_halves_finite_values_whose_sum_overflows():
    net = FixedHiddenMLP(4)
    set_to_constant_output(net, [3e38, 3e38, 3e38, 3e38])
    with time_limit(20):
        assert 0.5 < net(torch.rand(1, 4)).item() <= 1


@pytest.mark.parametrize(("weight", "value"), [(42.0, 1e38), (1.0, math.nan), (1.0, math.inf)])
def test_fixed_hidden_mlp_refuses_values_that_are_not_finite(weight, value):
    net = FixedHiddenMLP()
    nn.init.constant_(net.linear.weight, weight)
    with (
        time_limit(20),
        refuses(ValueError, "FixedHiddenMLP needs finite hidden values", "got: 20 of 60 infinite or NaN", net),
    ):
        net(torch.stack([torch.ones(20), torch.ones(20), torch.full((20,), value)]))


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=2, max_size=2))
def test_fixed_hidden_mlp_returns_at_most_one_or_refuses(values):
    with time_limit(20):
        try:
            output = FixedHiddenMLP(2)(torch.tensor(values))
        except ValueError as error:
            assert "finite hidden values" in str(error)  # noqa: PT017
            assert max(map(abs, values)) > 1e30 or any(map(math.isnan, values))
        else:
            assert output.abs() <= 1


def test_gradient_of_the_layer_used_twice_is_the_sum_over_its_uses():
    net = FixedHiddenMLP(5).double()
    x = torch.randn(3, 5, dtype=torch.float64)
    first, second = copy.deepcopy(net.linear), copy.deepcopy(net.linear)
    net(x).backward()
    direct_fixed_hidden(x, net.rand_weight, first, second).backward()
    for name in ("weight", "bias"):
        uses = [getattr(layer, name).grad for layer in (first, second)]
        assert all(use.abs().max() > 0 for use in uses)
        torch.testing.assert_close(getattr(net.linear, name).grad, sum(uses))


def test_constant_is_a_buffer_and_no_parameter():
    net = FixedHiddenMLP(3)
    assert [name for name, _ in net.named_parameters()] == ["linear.weight", "linear.bias"]
    assert [name for name, _ in net.named_buffers()] == ["rand_weight"]
    assert list(net.state_dict()) == ["rand_weight", "linear.weight", "linear.bias"]
    assert not net.rand_weight.requires_grad


def test_constant_survives_saving_and_loading():
    net, other, x = FixedHiddenMLP(4), FixedHiddenMLP(4), torch.rand(2, 4)
    assert not torch.equal(net.rand_weight, other.rand_weight)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    exactly_equal(other.rand_weight, net.rand_weight)
    exactly_equal(other(x), net(x))


def test_constant_is_cast_with_the_block():
    net = FixedHiddenMLP(4)
    before = net.rand_weight.clone()
    net.double()
    exactly_equal(net.rand_weight, before.double())
    assert net(torch.rand(2, 4, dtype=torch.float64)).dtype == torch.float64


def test_constant_moves_with_the_block():
    assert FixedHiddenMLP(4).to("meta").rand_weight.is_meta


def test_constant_is_never_trained():
    net = FixedHiddenMLP(4)
    before = snapshot(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, weight_decay=0.1)
    net(torch.rand(2, 4)).backward()
    optimizer.step()
    changed = [old[0] for old, new in zip(before.facts, snapshot(net).facts, strict=True) if old[-1] != new[-1]]
    assert changed == ["linear.weight", "linear.bias"]


def test_constant_is_drawn_from_zero_to_one():
    sample = FixedHiddenMLP(150, generator=torch.Generator().manual_seed(0)).rand_weight.flatten().numpy()
    assert scipy.stats.kstest(sample, scipy.stats.uniform(0, 1).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(sample, scipy.stats.uniform(0, 1.05).cdf).pvalue < 1e-6
    assert scipy.stats.kstest(sample, scipy.stats.uniform(-0.05, 1.05).cdf).pvalue < 1e-6


def test_constant_is_reproduced_by_a_generator():
    drawn = [bits(FixedHiddenMLP(4, generator=torch.Generator().manual_seed(seed)).rand_weight) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_constant_drawn_by_a_generator_takes_nothing_from_the_global_random_state():
    torch.manual_seed(5)
    expected = nn.Linear(4, 4)
    torch.manual_seed(5)
    net = FixedHiddenMLP(4, generator=torch.Generator())
    exactly_equal(dict(net.linear.state_dict()), dict(expected.state_dict()))


def test_constant_follows_the_global_seed_without_a_generator():
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(bits(FixedHiddenMLP(4).rand_weight))
    assert drawn[0] == drawn[1] != drawn[2]


# NestMLP


@given(small, small, leading_shapes)
def test_nest_mlp_is_three_matrix_products_with_a_relu_after_two(in_features, out_features, leading):
    net = NestMLP(in_features, out_features).double()
    x = torch.randn(*leading, in_features, dtype=torch.float64)
    first, _, second, _ = net.net._modules.values()
    expected = affine(F.relu(affine(F.relu(affine(x, first)), second)), net.linear)
    assert expected.shape == (*leading, out_features)
    torch.testing.assert_close(net(x), expected)


def test_nest_mlp_has_the_sizes_and_names_of_the_book():
    shapes = {name: tuple(value.shape) for name, value in NestMLP().state_dict().items() if value.ndim == 2}
    assert shapes == {"net.0.weight": (64, 20), "net.2.weight": (32, 64), "linear.weight": (16, 32)}


def test_blocks_of_blocks_train():
    chimera = MySequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
    chimera(torch.rand(2, 20)).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in chimera.parameters())
