import copy
import math

import pytest
import torch
from helpers import NOT_MODULES, WIDTH, bits, exactly_equal, refuses, snapshot, tied_nets
from hypothesis import given
from torch import nn
from torch.nn.utils import parametrizations

from blockbook import relation, restore_ties, tie, tied_groups, untie

LAZY = "needs known shapes: run one forward pass first"


def linears(count=2, bias=False):
    return nn.Sequential(*(nn.Linear(2, 2, bias=bias) for _ in range(count)))


def used_twice(bias=False):
    layer = nn.Linear(2, 2, bias=bias)
    return nn.Sequential(layer, nn.ReLU(), layer)


def holding(**tensors):
    """Make a module of the given parameters and buffers."""
    module = nn.Module()
    for name, tensor in tensors.items():
        if isinstance(tensor, nn.Parameter):
            module.register_parameter(name, tensor)
        else:
            module.register_buffer(name, tensor)
    return module


def parameter(*values):
    return nn.Parameter(torch.tensor(values))


def values_of(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def groups_by_identity(net):
    """Group the names of the state dict by object."""
    groups = {}
    for name, tensor in net.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def facts_of(net):
    """Return of each name whether it is a parameter, whether it is trained, and its bits."""
    return [
        (name, isinstance(tensor, nn.Parameter), tensor.requires_grad, bits(tensor))
        for name, tensor in net.state_dict(keep_vars=True).items()
    ]


def loss(net, x):
    return (net(x) * torch.arange(1.0, WIDTH + 1)).sum()


# tie


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_tie_makes_the_target_hold_the_parameter_of_the_source(name):
    source, target = nn.Linear(3, 3), nn.Linear(3, 3)
    kept, before = getattr(source, name), snapshot(source)
    assert tie(target, source, name) is None
    assert getattr(target, name) is kept
    assert snapshot(source) == before
    assert tied_groups(nn.Sequential(source, target)) == ((f"0.{name}", f"1.{name}"),)


def test_tie_takes_the_weight_by_default_and_leaves_the_rest():
    source, target = nn.Linear(3, 3), nn.Linear(3, 3)
    bias = target.bias
    tie(target, source)
    assert target.weight is source.weight
    assert target.bias is bias is not source.bias


def test_tie_of_an_embedding_and_an_output_layer_trains_one_matrix():
    embedding, out = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    tie(out, embedding)
    net = nn.Sequential(embedding, out)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.arange(5)).square().sum().backward()
    before, gradient = embedding.weight.detach().clone(), embedding.weight.grad.clone()
    optimizer.step()
    torch.testing.assert_close(out.weight.detach(), before - 0.1 * gradient)
    assert out.weight is embedding.weight


def test_tie_of_what_is_tied_changes_nothing():
    layer = nn.Linear(2, 2)
    before = snapshot(layer)
    tie(layer, layer)
    assert snapshot(layer) == before


def test_tie_reaches_the_second_name_of_a_parameter():
    shared = parameter(1.0)
    source, target = holding(a=shared, b=shared), holding(b=parameter(2.0))
    tie(target, source, "b")
    assert target.b is shared
    other = holding(b=parameter(3.0))
    tie(source, other, "b")
    assert source.b is other.b is not source.a


def test_tie_takes_over_whether_the_source_is_trained():
    source, target = nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2)
    tie(target, source)
    assert not target.weight.requires_grad
    assert target.bias.requires_grad


@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_tie_refuses_what_is_no_module(value, got):
    layer = nn.Linear(2, 2)
    with refuses(TypeError, "tie needs a module", f"got: {got}", layer):
        tie(layer, value)
    with refuses(TypeError, "tie needs a module", f"got: {got}", layer):
        tie(value, layer)


@pytest.mark.parametrize("name", [None, 0, b"weight", ("weight",)], ids=repr)
def test_tie_refuses_a_name_that_is_no_string(name):
    source, target = nn.Linear(2, 2), nn.Linear(2, 2)
    with refuses(TypeError, "tie needs the name of a parameter, a string", f"got: {name!r}", source, target):
        tie(target, source, name)


@pytest.mark.parametrize(
    ("poorer", "name", "names"),
    [
        (nn.Linear(2, 2, bias=False), "bias", ["weight"]),
        (nn.Linear(2, 2), "wieght", ["weight", "bias"]),
        (nn.BatchNorm1d(2), "running_mean", ["weight", "bias"]),
        (nn.ReLU(), "weight", []),
        (nn.Sequential(nn.Linear(2, 2)), "0.weight", []),
        (
            parametrizations.weight_norm(nn.Linear(2, 2)),
            "weight",
            ["bias"],
        ),
    ],
    ids=["no bias", "misspelt", "buffer", "no parameters", "name of a child", "parametrized"],
)
def test_tie_refuses_a_name_that_either_module_lacks(poorer, name, names):
    rule, other = "tie needs a parameter of that name in both modules", holding(bias=parameter(1.0))
    other.register_parameter("weight", parameter(1.0))
    with refuses(ValueError, rule, f"source: {names}\n  name: {name!r}", poorer, other):
        tie(other, poorer, name)
    if name in ("weight", "bias"):
        with refuses(ValueError, rule, f"target: {names}\n  name: {name!r}", poorer, other):
            tie(poorer, other, name)


@pytest.mark.parametrize(
    ("source", "target", "noun", "got"),
    [
        (nn.Linear(2, 3), nn.Linear(3, 2), "shapes", "source: (3, 2)\n  target: (2, 3)"),
        (nn.Linear(1, 3), nn.Linear(3, 1), "shapes", "source: (3, 1)\n  target: (1, 3)"),
        (nn.Linear(2, 2).double(), nn.Linear(2, 2), "dtypes", "source: torch.float64\n  target: torch.float32"),
        (nn.Linear(2, 2), nn.Linear(2, 2, device="meta"), "devices", "source: cpu\n  target: meta"),
    ],
    ids=["shape", "transposed", "dtype", "device"],
)
def test_tie_refuses_tensors_that_are_not_alike(source, target, noun, got):
    with refuses(ValueError, f"tie needs equal {noun}", got, source, target):
        tie(target, source)


def test_tie_refuses_a_lazy_parameter():
    lazy, layer = nn.LazyLinear(2), nn.Linear(2, 2)
    with refuses(ValueError, f"tie {LAZY}", "lazy: source", lazy, layer):
        tie(layer, lazy)
    with refuses(ValueError, f"tie {LAZY}", "lazy: target", lazy, layer):
        tie(lazy, layer)


def test_tie_works_on_the_meta_device():
    source, target = (nn.Linear(2, 2, device="meta") for _ in range(2))
    tie(target, source)
    assert target.weight is source.weight


# relation


def test_one_object_is_tied_whatever_it_holds():
    for tensor in (parameter(math.nan), torch.empty(0), torch.empty(2, device="meta"), nn.LazyLinear(2).weight):
        assert relation(tensor, tensor) == "tied"


def test_two_objects_in_one_memory_are_aliased():
    first = parameter(1.0, 2.0)
    second = nn.Parameter(first.data)
    assert relation(first, second) == relation(second, first) == "aliased"
    assert relation(first, first.detach()) == "aliased"
    with torch.no_grad():
        first[0] = 5
    assert second[0] == 5
    (first * second).sum().backward()
    assert (first.grad, second.grad) != (None, None)
    assert first.grad is not second.grad


def test_nan_does_not_hide_an_alias():
    first = torch.tensor([math.nan])
    assert relation(first, first.view(1)) == "aliased"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (torch.ones(2), torch.ones(2)),
        (torch.tensor([math.nan, 1.0]), torch.tensor([math.nan, 1.0])),
        (torch.tensor([math.inf]), torch.tensor([math.inf])),
        (torch.tensor([True]), torch.tensor([True])),
        (torch.empty(0), torch.empty(0)),
        (torch.ones(2), nn.Parameter(torch.ones(2))),
        (torch.ones(2, 3), torch.ones(3, 2).t()),
    ],
)
def test_equal_values_in_two_memories_are_equal(first, second):
    assert relation(first, second) == relation(second, first) == "equal"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (torch.tensor([1.0]), torch.tensor([1.0 + 2**-23])),
        (torch.tensor([0.0]), torch.tensor([1e-45])),
        (torch.tensor([math.nan]), torch.tensor([1.0])),
        (torch.tensor([math.inf]), torch.tensor([-math.inf])),
        (torch.ones(2), torch.ones(1, 2)),
        (torch.ones(1), torch.ones(())),
        (torch.ones(2), torch.ones(3)),
        (torch.ones(2), torch.ones(2).double()),
        (torch.ones(2), torch.ones(2, dtype=torch.int64)),
        (torch.empty(0, 2), torch.empty(2, 0)),
    ],
)
def test_any_other_pair_is_different(first, second):
    assert relation(first, second) == relation(second, first) == "different"


def test_tensors_without_values_have_no_memory_to_share():
    empty = torch.empty(0)
    assert relation(empty, empty.detach()) == "equal"


def test_a_part_of_a_tensor_is_different_from_the_whole():
    tensor = torch.ones(4)
    assert relation(tensor, tensor[:2]) == "different"
    assert relation(tensor[:2], tensor[2:]) == "equal"


@pytest.mark.parametrize("value", [None, 1.0, [1.0], "weight", nn.Linear(1, 1)], ids=repr)
def test_relation_refuses_what_is_no_tensor(value):
    for pair in ((value, torch.ones(1)), (torch.ones(1), value), (value, value)):
        with refuses(TypeError, "relation compares two tensors", f"got: {value!r}"):
            relation(*pair)


@pytest.mark.parametrize(
    ("tensor", "got"),
    [
        (nn.LazyLinear(2).weight, "<UninitializedParameter>"),
        (torch.empty(2, device="meta"), "tensor(..., device='meta', size=(2,))"),
    ],
    ids=["lazy", "meta"],
)
def test_relation_refuses_a_tensor_without_values(tensor, got):
    for pair in ((tensor, torch.ones(2)), (torch.ones(2), tensor)):
        with refuses(ValueError, "relation compares values, and this tensor has none yet", f"got: {got}"):
            relation(*pair)


# tied_groups


@given(tied_nets())
def test_groups_are_the_names_that_stand_for_one_object(net):
    before = snapshot(net)
    assert tied_groups(net) == groups_by_identity(net)
    assert snapshot(net) == before


def test_groups_hold_parameters_and_buffers_of_a_module_used_twice():
    norm = nn.BatchNorm1d(2)
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert tied_groups(nn.Sequential(norm, nn.Sequential(norm))) == tuple(
        (f"0.{name}", f"1.0.{name}") for name in names
    )


def test_groups_hold_names_within_one_module_and_buffers_that_are_not_saved():
    shared, table = parameter(1.0), torch.ones(1)
    net = holding(a=shared, b=shared, c=table)
    net.register_buffer("d", table, persistent=False)
    assert tied_groups(net) == (("a", "b"), ("c", "d"))


def test_equal_or_aliased_tensors_are_no_group():
    first = parameter(1.0)
    assert tied_groups(holding(a=first, b=parameter(1.0), c=nn.Parameter(first.data))) == ()


def test_deepcopy_keeps_the_groups():
    net = used_twice()
    assert tied_groups(copy.deepcopy(net)) == tied_groups(net) == (("0.weight", "2.weight"),)


@pytest.mark.parametrize("function", [tied_groups, untie])
@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_what_is_no_module_is_a_type_error(function, value, got):
    with refuses(TypeError, f"{function.__name__} needs a module", f"got: {got}"):
        function(value)


# untie and restore_ties


@given(tied_nets())
def test_untie_and_restore_ties_are_a_round_trip(net):
    x = torch.randn(4, WIDTH, dtype=torch.float64)
    groups, facts, output = groups_by_identity(net), facts_of(net), net(x)

    assert untie(net) == groups
    assert tied_groups(net) == groups_by_identity(net) == ()
    modules = [module for _, module in net.named_modules(remove_duplicate=False)]
    assert len(set(map(id, modules))) == len(modules)
    assert facts_of(net) == facts
    exactly_equal(net(x), output)

    restore_ties(net, groups)
    assert groups_by_identity(net) == groups
    assert facts_of(net) == facts
    exactly_equal(net(x), output)
    assert untie(net) == groups


@given(tied_nets())
def test_gradient_of_what_is_tied_is_the_sum_of_the_untied_gradients(net):
    x = torch.randn(4, WIDTH, dtype=torch.float64, requires_grad=True)
    net.requires_grad_()
    loss(net, x).backward()
    tied = {name: value.grad for name, value in net.named_parameters(remove_duplicate=False)}
    groups = untie(net)
    net.zero_grad()
    loss(net, x).backward()
    untied = {name: value.grad for name, value in net.named_parameters()}
    assert tied.keys() == untied.keys()
    group_of = {name: group for group in groups for name in group}
    for name, gradient in tied.items():
        parts = [untied[other] for other in group_of.get(name, (name,)) if untied[other] is not None]
        if gradient is None:
            assert parts == []
        else:
            torch.testing.assert_close(gradient, sum(parts))


@given(tied_nets())
def test_untied_tensors_are_in_memories_of_their_own(net):
    untie(net)
    for name, tensor in net.state_dict(keep_vars=True).items():
        before = {other: bits(value) for other, value in net.state_dict().items() if other != name}
        with torch.no_grad():
            tensor.add_(1)
        assert before == {other: bits(value) for other, value in net.state_dict().items() if other != name}


@given(tied_nets())
def test_untie_drops_the_gradients_of_what_was_tied_and_keeps_the_others(net):
    for value in net.parameters():
        value.grad = torch.ones_like(value)
    alone = net.state_dict(keep_vars=True).keys() - {name for group in tied_groups(net) for name in group}
    untie(net)
    kept = {name for name, value in net.named_parameters() if value.grad is not None}
    assert kept == {name for name, _ in net.named_parameters() if name in alone}


def test_untie_makes_a_module_used_twice_two_modules_and_keeps_the_first():
    net = nn.Sequential(used_twice(), nn.Tanh())
    net.append(net[0])
    outer, inner, weight = net[0], net[0][0], net[0][0].weight
    untie(net)
    assert net[0] is outer
    assert net[0][0] is inner
    assert net[0][0].weight is weight
    assert len({id(module) for module in (net[0][0], net[0][2], net[2][0], net[2][2])}) == 4


def test_untie_separates_modules_that_hold_nothing():
    relu = nn.ReLU()
    net = nn.Sequential(relu, relu)
    assert untie(net) == ()
    assert net[0] is relu is not net[1]


def test_untie_goes_on_behind_a_child_that_is_none():
    net = used_twice()
    net._modules = {"none": None, **net._modules}
    assert untie(net) == (("0.weight", "2.weight"),)
    assert net[1] is not net[3]


def test_untie_leaves_a_module_without_ties_as_it_is():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net.add_module("none", None)
    before = snapshot(net)
    assert untie(net) == ()
    assert snapshot(net) == before


def test_untie_makes_a_copy_a_trained_leaf_or_a_frozen_one_as_it_was():
    trained, frozen = parameter(1.0), parameter(2.0).requires_grad_(False)
    net = holding(a=trained, b=trained, c=frozen, d=frozen)
    untie(net)
    assert [(value.requires_grad, value.is_leaf) for value in net.parameters()] == [(True, True)] * 2 + [
        (False, True)
    ] * 2
    assert net.a is trained
    assert net.c is frozen


def test_untie_leaves_a_buffer_a_buffer():
    shared, table = parameter(1.0), torch.ones(1)
    net = holding(a=shared, b=table)
    net.register_buffer("twin", shared)
    net.register_buffer("cache", table, persistent=False)
    assert untie(net) == (("a", "twin"), ("b", "cache"))
    assert [name for name, _ in net.named_parameters()] == ["a"]
    assert [name for name, _ in net.named_buffers()] == ["b", "twin", "cache"]
    assert list(net.state_dict()) == ["a", "b", "twin"]
    assert type(net.twin) is torch.Tensor
    assert not net.twin.requires_grad


def test_untie_and_restore_ties_work_on_a_parametrized_layer_used_twice():
    layer = parametrizations.weight_norm(nn.Linear(2, 2))
    net, x = nn.Sequential(layer, nn.ReLU(), layer), torch.rand(1, 2)
    output, groups = net(x), untie(net)
    assert ("0.parametrizations.weight.original0", "2.parametrizations.weight.original0") in groups
    assert tied_groups(net) == ()
    exactly_equal(net(x), output)
    restore_ties(net, groups)
    assert tied_groups(net) == groups
    exactly_equal(net(x), output)


def test_untie_works_on_the_meta_device():
    net = used_twice().to("meta")
    assert untie(net) == (("0.weight", "2.weight"),)
    assert tied_groups(net) == ()


def test_untie_refuses_a_tied_lazy_parameter():
    lazy, layer = nn.LazyLinear(2), nn.Linear(2, 2)
    net = nn.Sequential(layer, layer, lazy, lazy)
    rule = f"untie {LAZY}"
    with refuses(ValueError, rule, "lazy: ['2.weight', '3.weight', '2.bias', '3.bias']", net):
        untie(net)


def test_untie_passes_over_a_lazy_parameter_that_is_not_tied():
    layer, lazy = nn.Linear(2, 2, bias=False), nn.LazyLinear(2)
    net = nn.Sequential(layer, layer, lazy)
    assert untie(net) == (("0.weight", "1.weight"),)
    assert net[2] is lazy


# restore_ties


def test_restored_names_hold_what_the_first_name_holds():
    net = linears(3)
    first = net[1].weight
    restore_ties(net, [["1.weight", "0.weight", "2.weight"]], overwrite=True)
    assert net[0].weight is net[1].weight is net[2].weight is first


def test_ties_are_restored_after_loading_by_assignment():
    net = linears()
    tie(net[1], net[0])
    groups, saved = tied_groups(net), values_of(net)
    net.load_state_dict(saved, assign=True)
    assert tied_groups(net) == ()
    restore_ties(net, groups)
    assert tied_groups(net) == groups == (("0.weight", "1.weight"),)
    exactly_equal(dict(net.state_dict()), saved)


def test_ties_are_restored_after_to_empty():
    with torch.device("meta"):
        net = linears()
    tie(net[1], net[0])
    groups = tied_groups(net)
    net.to_empty(device="cpu")
    assert tied_groups(net) == ()
    restore_ties(net, groups, overwrite=True)
    assert tied_groups(net) == groups


def test_values_on_the_meta_device_are_not_taken_for_equal():
    net = linears().to("meta")
    rule = "restore_ties needs equal values, or overwrite=True to keep those of the first name"
    with refuses(ValueError, rule, "kept: 0.weight\n  replaced: 1.weight", net):
        restore_ties(net, [("0.weight", "1.weight")])
    restore_ties(net, [("0.weight", "1.weight")], overwrite=True)
    assert tied_groups(net) == (("0.weight", "1.weight"),)


def test_nan_is_equal_to_nan():
    net = holding(a=parameter(math.nan, 1.0), b=parameter(math.nan, 1.0))
    restore_ties(net, [("a", "b")])
    assert net.a is net.b


@pytest.mark.parametrize("other", [(math.nan, 2.0), (1.0, 1.0), (math.nan, 1.0 + 2**-23), (math.inf, 1.0)])
def test_values_that_differ_are_refused_unless_they_may_be_overwritten(other):
    net = holding(a=parameter(math.nan, 1.0), b=parameter(*other))
    rule = "restore_ties needs equal values, or overwrite=True to keep those of the first name"
    with refuses(ValueError, rule, "kept: a\n  replaced: b", net):
        restore_ties(net, [("a", "b")])
    with refuses(ValueError, rule, "kept: b\n  replaced: a", net):
        restore_ties(net, [("b", "a")])
    kept = net.b
    restore_ties(net, [("b", "a")], overwrite=True)
    assert net.a is net.b is kept


def test_the_third_name_is_checked_too():
    net = holding(a=parameter(1.0), b=parameter(1.0), c=parameter(2.0))
    rule = "restore_ties needs equal values, or overwrite=True to keep those of the first name"
    with refuses(ValueError, rule, "kept: a\n  replaced: c", net):
        restore_ties(net, [("a", "b", "c")])


@pytest.mark.parametrize("groups", [(), [()], [("0.weight",)], [("0.weight", "0.weight")], [(), ["1.weight"]]])
def test_groups_without_a_pair_change_nothing(groups):
    net = linears()
    before = snapshot(net)
    restore_ties(net, groups)
    assert snapshot(net) == before


def test_a_group_of_one_lazy_name_changes_nothing():
    net = nn.Sequential(nn.LazyLinear(2, bias=False))
    before = snapshot(net)
    restore_ties(net, [("0.weight",)])
    assert snapshot(net) == before


def test_groups_may_come_from_iterators():
    net = linears(4)
    groups = (("0.weight", "2.weight"), ("1.weight", "3.weight"))
    restore_ties(net, (iter(group) for group in groups), overwrite=True)
    assert tied_groups(net) == groups


def test_buffers_are_tied_and_stay_buffers():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2))
    groups = (("0.running_mean", "1.running_mean"), ("0.num_batches_tracked", "1.num_batches_tracked"))
    restore_ties(net, groups)
    assert tied_groups(net) == groups
    assert len(list(net.buffers())) == 4
    net(torch.rand(3, 2))
    assert net[0].num_batches_tracked == 2


def test_a_module_used_twice_is_tied_at_both_of_its_names():
    net = used_twice()
    net.append(nn.Linear(2, 2, bias=False))
    restore_ties(net, [("0.weight", "2.weight", "3.weight")], overwrite=True)
    assert tied_groups(net) == (("0.weight", "2.weight", "3.weight"),)
    assert net[0] is net[2]


@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_restore_ties_refuses_what_is_no_module(value, got):
    with refuses(TypeError, "restore_ties needs a module", f"got: {got}"):
        restore_ties(value, ())


@pytest.mark.parametrize(
    ("groups", "got"),
    [
        (None, "None"),
        (3, "3"),
        ("0.weight", "'0'"),
        (["0.weight", "1.weight"], "'0.weight'"),
        ([3], "3"),
        ([None], "None"),
        ([("0.weight", 1)], "('0.weight', 1)"),
        ([("0.weight", "1.weight"), (None,)], "(None,)"),
        ([[b"0.weight"]], "[b'0.weight']"),
    ],
    ids=repr,
)
def test_restore_ties_refuses_groups_that_are_not_of_names(groups, got):
    net = linears()
    with refuses(TypeError, "restore_ties needs groups of names", f"got: {got}", net):
        restore_ties(net, groups, overwrite=True)


@pytest.mark.parametrize("names", [["2.weight"], ["0", ""], ["0.bias"]])
def test_restore_ties_refuses_unknown_names(names):
    net = linears()
    rule = "restore_ties needs names of the module's parameters or buffers"
    with refuses(ValueError, rule, f"got: {names}", net):
        restore_ties(net, [("0.weight", "1.weight"), ("0.weight", *names)], overwrite=True)


@pytest.mark.parametrize(
    ("groups", "again"),
    [
        ([("0.weight", "1.weight"), ("1.weight", "2.weight")], ["1.weight"]),
        ([("1.weight", "2.weight"), ("0.weight", "1.weight")], ["1.weight"]),
        ([("0.weight", "1.weight"), ("0.weight", "1.weight")], ["0.weight", "1.weight"]),
        ([("0.weight", "3.weight"), ("1.weight", "4.weight")], ["4.weight"]),
    ],
)
def test_restore_ties_refuses_one_place_in_two_groups(groups, again):
    net = linears(4)
    net.append(net[3])
    with refuses(ValueError, "restore_ties needs each name in one group", f"in two: {again}", net):
        restore_ties(net, groups, overwrite=True)


def test_restore_ties_refuses_parameters_among_buffers():
    net = holding(a=parameter(1.0), b=torch.tensor([1.0]))
    rule = "restore_ties needs groups of one kind"
    with refuses(ValueError, rule, "a: parameter\n  b: buffer", net):
        restore_ties(net, [("a", "b")], overwrite=True)
    with refuses(ValueError, rule, "b: buffer\n  a: parameter", net):
        restore_ties(net, [("b", "a")])


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("other", "noun", "got"),
    [
        (torch.ones(1, 2), "shapes", "a: (2,)\n  b: (1, 2)"),
        (torch.ones(2).double(), "dtypes", "a: torch.float32\n  b: torch.float64"),
        (torch.ones(2, device="meta"), "devices", "a: cpu\n  b: meta"),
    ],
    ids=["shape", "dtype", "device"],
)
def test_restore_ties_refuses_tensors_that_are_not_alike(other, noun, got, overwrite):
    net = holding(a=torch.ones(2), b=other)
    with refuses(ValueError, f"restore_ties needs equal {noun}", got, net):
        restore_ties(net, [("a", "b")], overwrite=overwrite)


def test_restore_ties_refuses_lazy_tensors():
    net = nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2))
    for group in (("0.weight", "1.weight"), ("1.weight", "0.weight")):
        with refuses(ValueError, f"restore_ties {LAZY}", "lazy: 1.weight", net):
            restore_ties(net, [group])


def test_restore_ties_changes_nothing_if_a_later_group_is_refused():
    net = nn.Sequential(*linears(3), nn.Linear(3, 3, bias=False))
    for later, error, rule in (
        (("2.weight", "3.weight"), ValueError, "restore_ties needs equal shapes"),
        (("gone",), ValueError, "restore_ties needs names of the module's parameters or buffers"),
        (None, TypeError, "restore_ties needs groups of names"),
    ):
        with refuses(error, rule, "", net):
            restore_ties(net, [("0.weight", "1.weight"), later], overwrite=True)
