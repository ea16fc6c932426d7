import math
from functools import partial

import pytest
import scipy
import torch
from helpers import NOT_MODULES, bits, exactly_equal, global_rng_untouched, refuses, snapshot
from torch import nn
from torch.nn.utils import parametrizations, prune

from blockbook import init_42, init_constant, init_normal, init_xavier, my_init

ALL = [init_normal, init_constant, init_xavier, init_42, my_init]
RANDOM = [init_normal, init_xavier, my_init]
ZERO_THE_BIAS = [init_normal, init_constant]
KEEP_THE_BIAS = [init_xavier, init_42, my_init]

NUMBERS = [(init_normal, "std"), (init_normal, "mean"), (init_constant, "value"), (init_xavier, "gain")]
AT_LEAST_ZERO = [(init_normal, "std"), (init_xavier, "gain")]


def rule_of(function, argument):
    at_least = " of at least 0" if (function, argument) in AT_LEAST_ZERO else ""
    return f"{argument} is a finite number{at_least}"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sample(function, in_features=256, out_features=256, seed=0, **arguments):
    """Return the weights that an initialiser draws for one layer."""
    layer = nn.Linear(in_features, out_features)
    function(layer, generator=seeded(seed), **arguments)
    return layer.weight.detach().double().flatten().numpy()


def fits(values, distribution):
    return scipy.stats.kstest(values, distribution.cdf).pvalue > 1e-3


def uniform(low, high):
    return scipy.stats.uniform(low, high - low)


def sevens(module):
    """Fill a module with a number that no initialiser leaves."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7)
    return module


# Distributions


@pytest.mark.parametrize(("mean", "std"), [(0, 0.01), (0, 0.5), (3, 2), (-1.5, 0.1)])
def test_init_normal_draws_from_the_normal_distribution(mean, std):
    values = sample(init_normal, mean=mean, std=std)
    assert fits(values, scipy.stats.norm(mean, std))
    assert not fits(values, scipy.stats.norm(mean, 1.05 * std))
    assert not fits(values, scipy.stats.norm(mean, 0.95 * std))
    assert not fits(values, scipy.stats.norm(mean + 0.05 * std, std))
    assert not fits(values, uniform(mean - math.sqrt(3) * std, mean + math.sqrt(3) * std))


def test_init_normal_has_mean_zero_and_std_one_hundredth_by_default():
    assert (sample(init_normal) == sample(init_normal, mean=0, std=0.01)).all()


def test_init_normal_takes_std_by_position():
    layer = nn.Linear(256, 256)
    init_normal(layer, 2)
    assert fits(layer.weight.detach().flatten().numpy(), scipy.stats.norm(0, 2))


def test_init_normal_without_spread_gives_the_mean():
    assert (sample(init_normal, 3, 2, mean=2, std=0) == 2).all()


@pytest.mark.parametrize("gain", [1.0, 2.5])
@pytest.mark.parametrize(("fan_in", "fan_out"), [(256, 256), (64, 1024), (1024, 64)])
def test_init_xavier_draws_uniformly_within_the_bound_of_glorot_and_bengio(fan_in, fan_out, gain):
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    values = sample(init_xavier, fan_in, fan_out, gain=gain)
    assert fits(values, uniform(-bound, bound))
    assert 0.99 * bound < abs(values).max() <= bound
    for wrong in (0.97, 1.03, math.sqrt(1 / 2), math.sqrt(2)):
        assert not fits(values, uniform(-wrong * bound, wrong * bound))
    assert not fits(values, scipy.stats.norm(0, bound / math.sqrt(3)))


def test_init_xavier_has_gain_one_by_default():
    assert (sample(init_xavier) == sample(init_xavier, gain=1)).all()


def test_init_xavier_without_gain_gives_zero():
    assert (sample(init_xavier, 3, 2, gain=0) == 0).all()


def test_my_init_is_zero_for_a_half_and_uniform_from_five_to_ten_on_either_side():
    values = sample(my_init, 512, 256)
    parts = values[values < 0], values[values == 0], values[values > 0]
    counts = [len(part) for part in parts]
    assert scipy.stats.chisquare(counts, [share * len(values) for share in (1 / 4, 1 / 2, 1 / 4)]).pvalue > 1e-3
    assert scipy.stats.chisquare(counts, [share * len(values) for share in (0.26, 0.48, 0.26)]).pvalue < 1e-6
    assert scipy.stats.chisquare(counts, [share * len(values) for share in (0.24, 0.5, 0.26)]).pvalue < 1e-6
    assert scipy.stats.binomtest(counts[1], len(values), 1 / 2).pvalue > 1e-3
    assert scipy.stats.binomtest(counts[1], len(values), 0.49).pvalue < 1e-6
    assert fits(parts[0], uniform(-10, -5))
    assert fits(parts[2], uniform(5, 10))
    assert not fits(parts[0], uniform(-10, -4.9))
    assert not fits(parts[2], uniform(5, 10.1))
    assert -10 <= parts[0].min() < parts[0].max() <= -5
    assert 5 <= parts[2].min() < parts[2].max() < 10


def test_my_init_is_a_uniform_draw_with_what_is_below_five_zeroed():
    layer = nn.Linear(64, 64)
    my_init(layer, generator=seeded(3))
    drawn = torch.empty(64, 64).uniform_(-10, 10, generator=seeded(3))
    assert (drawn.abs() < 5).any()
    exactly_equal(layer.weight.detach(), torch.where(drawn.abs() < 5, 0.0, drawn))


def test_my_init_keeps_a_weight_of_exactly_five():
    # half precision has few numbers, so that a draw meets five itself
    layer = nn.Linear(256, 256).half()
    my_init(layer, generator=seeded())
    assert layer.weight.abs().eq(5).sum() > 10


@pytest.mark.parametrize("fan_out", [64, 1024])
def test_pytorch_default_depends_on_fan_in_alone(fan_out):
    layer, bound = nn.Linear(256, fan_out), 1 / math.sqrt(256)
    for values in (layer.weight, torch.cat([nn.Linear(256, fan_out).bias for _ in range(40)])):
        values = values.detach().flatten().numpy()
        assert fits(values, uniform(-bound, bound))
        xavier = math.sqrt(6 / (256 + fan_out))
        assert not fits(values, uniform(-xavier, xavier))
        for wrong in (0.9, 1.1, math.sqrt(3)):
            assert not fits(values, uniform(-wrong * bound, wrong * bound))


# Values and biases


@pytest.mark.parametrize("value", [1, -2.5, 0])
def test_init_constant_sets_every_weight(value):
    layer = nn.Linear(3, 2)
    init_constant(layer, value)
    assert layer.weight.tolist() == [[value] * 3] * 2


def test_init_constant_is_one_by_default():
    layer = nn.Linear(3, 2)
    init_constant(layer)
    assert layer.weight.tolist() == [[1.0] * 3] * 2


def test_init_42_sets_every_weight_to_42():
    layer = nn.Linear(3, 2)
    init_42(layer)
    assert layer.weight.tolist() == [[42.0] * 3] * 2


@pytest.mark.parametrize("function", ZERO_THE_BIAS)
def test_bias_is_zeroed(function):
    layer = sevens(nn.Linear(3, 2))
    function(layer)
    assert layer.bias.tolist() == [0, 0]


@pytest.mark.parametrize("function", KEEP_THE_BIAS)
def test_bias_is_left_as_it_is(function):
    layer = sevens(nn.Linear(3, 2))
    function(layer)
    assert layer.bias.tolist() == [7, 7]
    assert layer.weight.ne(7).all()


@pytest.mark.parametrize("function", ALL)
def test_layer_without_bias_is_initialised(function):
    layer = sevens(nn.Linear(3, 2, bias=False))
    function(layer)
    assert layer.weight.ne(7).all()
    assert layer.bias is None


# Which modules


class Sublinear(nn.Linear):
    pass


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("layer", [Sublinear, nn.modules.linear.NonDynamicallyQuantizableLinear])
def test_subclass_of_linear_is_initialised(function, layer):
    layer = sevens(layer(3, 2))
    function(layer)
    assert layer.weight.ne(7).all()


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    "module",
    [
        nn.ReLU(),
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm1d(3),
        nn.Embedding(3, 2),
        nn.Bilinear(2, 2, 2),
        nn.Sequential(nn.Linear(2, 2)),
        nn.LazyConv2d(2, 3),
    ],
    ids=lambda module: type(module).__name__,
)
def test_module_that_is_no_linear_layer_is_left_as_it_is(function, module, capsys):
    before = snapshot(module)
    with global_rng_untouched():
        assert function(module) is None
    assert snapshot(module) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("function", ALL)
def test_apply_reaches_every_linear_layer_and_nothing_else(function):
    linears = [nn.Linear(2, 2), nn.Linear(2, 2, bias=False), Sublinear(2, 2)]
    norm = nn.BatchNorm1d(2)
    net = sevens(nn.Sequential(linears[0], nn.Sequential(nn.ReLU(), linears[1], norm), linears[2]))
    before = snapshot(norm)
    net.apply(function)
    assert all(linear.weight.ne(7).all() for linear in linears)
    assert snapshot(norm) == before


@pytest.mark.parametrize("function", ALL)
def test_layer_keeps_its_parameter_objects_and_what_they_are(function):
    layer = nn.Linear(3, 2).double()
    layer.weight.requires_grad_(False)
    weight, bias, before = layer.weight, layer.bias, bits(layer.weight)
    function(layer)
    assert bits(weight) != before
    assert layer.weight is weight
    assert layer.bias is bias
    assert weight.dtype == torch.float64
    assert (weight.requires_grad, bias.requires_grad) == (False, True)
    assert weight.is_leaf
    assert bias.is_leaf


@pytest.mark.parametrize("function", ALL)
def test_initialisation_is_not_recorded_for_a_gradient(function):
    layer = nn.Linear(3, 2)
    function(layer)
    assert (layer.weight.grad_fn, layer.bias.grad_fn) == (None, None)
    assert layer.weight.requires_grad
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight.grad.tolist() == [[1] * 3] * 2


@pytest.mark.parametrize("function", ALL)
def test_meta_layer_is_passed_over(function):
    layer = nn.Linear(3, 2, device="meta")
    before = snapshot(layer)
    function(layer)
    assert snapshot(layer) == before


def test_my_init_says_which_shape_it_initialised(capsys):
    nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).apply(my_init)
    assert capsys.readouterr().out == "Init weight torch.Size([8, 4])\nInit weight torch.Size([1, 8])\n"


# Randomness


@pytest.mark.parametrize("function", RANDOM)
def test_generator_gives_the_same_weights_again_and_leaves_the_global_random_state_alone(function):
    layers = [nn.Linear(5, 4) for _ in range(3)]
    with global_rng_untouched():
        for layer, seed in zip(layers, (1, 1, 2), strict=True):
            function(layer, generator=seeded(seed))
    weights = [bits(layer.weight) for layer in layers]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("function", RANDOM)
def test_generator_moves_on_from_layer_to_layer(function):
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net.apply(partial(function, generator=seeded()))
    assert bits(net[0].weight) != bits(net[1].weight)


@pytest.mark.parametrize("function", RANDOM)
def test_global_seed_decides_without_a_generator(function):
    weights = []
    for seed in (1, 1, 2):
        layer = nn.Linear(5, 4)
        torch.manual_seed(seed)
        function(layer)
        weights.append(bits(layer.weight))
    assert weights[0] == weights[1] != weights[2]


# Refusals


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_what_is_no_module_is_a_type_error(function, value, got):
    with refuses(TypeError, f"{function.__name__} needs a module", f"got: {got}"):
        function(value)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("layer", [nn.LazyLinear(2), nn.LazyLinear(2, bias=False)], ids=["bias", "no bias"])
def test_lazy_layer_is_a_value_error(function, layer, capsys):
    rule = f"{function.__name__} needs a layer whose shapes are known: run one forward pass first"
    with refuses(ValueError, rule, f"got: {layer}", layer):
        function(layer)
    assert capsys.readouterr().out == ""


def test_lazy_layer_is_initialised_after_one_forward_pass():
    layer = nn.LazyLinear(2)
    layer(torch.rand(1, 3))
    init_42(layer)
    assert layer.weight.tolist() == [[42] * 3] * 2


def unsettled_spectral_norm():
    """Make a layer whose buffers change whenever its weight is read."""
    layer = parametrizations.spectral_norm(nn.Linear(8, 8))
    nn.init.normal_(layer.parametrizations.weight.original, generator=seeded())
    return layer


def test_reading_the_weight_changes_a_layer_with_spectral_norm():
    layer = unsettled_spectral_norm()
    before = snapshot(layer)
    assert layer.weight is not None
    assert snapshot(layer) != before


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    "layer",
    [
        parametrizations.weight_norm(nn.Linear(3, 2)),
        parametrizations.weight_norm(nn.Linear(3, 2), "bias", dim=None),
        unsettled_spectral_norm(),
        parametrizations.orthogonal(nn.Linear(3, 2, bias=False)),
        prune.random_unstructured(nn.Linear(3, 2), "weight", 2),
        prune.random_unstructured(nn.Linear(3, 2), "bias", 1),
    ],
    ids=["weight norm", "weight norm of the bias", "spectral norm", "orthogonal", "pruned weight", "pruned bias"],
)
def test_layer_that_computes_its_weight_or_bias_is_a_value_error(function, layer, capsys):
    rule = (
        f"{function.__name__} needs a layer that holds its own weight and bias: "
        "initialise before parametrizing or pruning"
    )
    with refuses(ValueError, rule, f"got: {layer}", layer):
        function(layer)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.ReLU()], ids=["linear", "relu"])
@pytest.mark.parametrize(("function", "argument"), NUMBERS)
@pytest.mark.parametrize("value", [None, "0.01", True, [1.0], 1j, torch.tensor(1.0)], ids=repr)
def test_what_is_no_number_is_a_type_error(function, argument, value, module):
    with refuses(TypeError, rule_of(function, argument), f"got: {value!r}", module):
        function(module, **{argument: value})


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.ReLU()], ids=["linear", "relu"])
@pytest.mark.parametrize(("function", "argument"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_a_value_error(function, argument, value, module):
    with refuses(ValueError, rule_of(function, argument), f"got: {value}", module):
        function(module, **{argument: value})


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.ReLU()], ids=["linear", "relu"])
@pytest.mark.parametrize(("function", "argument"), AT_LEAST_ZERO)
@pytest.mark.parametrize("value", [-1, -1e-9])
def test_spread_below_zero_is_a_value_error(function, argument, value, module):
    with refuses(ValueError, rule_of(function, argument), f"got: {value}", module):
        function(module, **{argument: value})
