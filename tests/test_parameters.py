import copy
import re

import pytest
import torch
from helpers import NOT_MODULES, Tree, refuses, tied_nets
from hypothesis import given
from torch import nn
from torch.nn.utils import parametrizations

from blockbook import ParameterRow, ParameterTable, count_parameters, get_tensor, parameter_table, untie


class Mixed(nn.Module):
    """One of each: trained, frozen, saved and not saved, in a child and in itself, on its own and shared."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
        self.register_buffer("mean", torch.zeros(3, dtype=torch.int64))
        self.register_buffer("cache", torch.zeros(1, 0), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("none", None)
        self.plain = torch.zeros(5)
        self.first = nn.Linear(2, 2, bias=False)
        self.second = self.first


ROWS = (
    ParameterRow("scale", "parameter", (), 1, torch.float32, True, True, ()),
    ParameterRow("frozen", "parameter", (2, 2), 4, torch.float32, False, True, ()),
    ParameterRow("mean", "buffer", (3,), 3, torch.int64, False, True, ()),
    ParameterRow("cache", "buffer", (1, 0), 0, torch.float32, False, False, ()),
    ParameterRow("first.weight", "parameter", (2, 2), 4, torch.float32, True, True, ("second.weight",)),
    ParameterRow("second.weight", "parameter", (2, 2), 4, torch.float32, True, True, ("first.weight",)),
)


@pytest.mark.parametrize(
    ("function", "arguments"), [(parameter_table, ()), (count_parameters, ()), (get_tensor, ("weight",))]
)
@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_what_is_no_module_is_a_type_error(function, arguments, value, got):
    with refuses(TypeError, f"{function.__name__} needs a module", f"got: {got}"):
        function(value, *arguments)


@pytest.mark.parametrize("trained", ["yes", 1, 0])
def test_count_refuses_what_is_neither_true_nor_false(trained):
    net = Mixed()
    with refuses(TypeError, "count_parameters needs trained to be True, False or None", f"got: {trained!r}", net):
        count_parameters(net, trained=trained)


# parameter_table


def test_table_has_a_row_for_each_place():
    table = parameter_table(Mixed())
    assert table == ROWS
    assert isinstance(table, ParameterTable)


def test_row_is_frozen():
    with pytest.raises(AttributeError, match="cannot assign to field 'count'"):
        parameter_table(Mixed())[0].count = 2


def test_table_is_written_in_columns():
    table = parameter_table(nn.Sequential(nn.Linear(1000, 2, bias=False), nn.BatchNorm1d(2, affine=False)))
    assert repr(table).splitlines() == [
        "name                   kind       shape      count  dtype    trained  saved  shared_with",
        "0.weight               parameter  (2, 1000)  2,000  float32  yes      yes",
        "1.running_mean         buffer     (2,)       2      float32  no       yes",
        "1.running_var          buffer     (2,)       2      float32  no       yes",
        "1.num_batches_tracked  buffer     ()         1      int64    no       yes",
    ]


def test_table_of_nothing_is_its_header():
    table = parameter_table(nn.ReLU())
    assert len(table) == 0
    assert repr(table) == "name  kind  shape  count  dtype  trained  saved  shared_with"
    assert Tree(table._repr_html_()).tags.count("tr") == 1


def test_table_lists_every_other_name_of_what_is_shared():
    layer = nn.Linear(2, 2, bias=False)
    table = parameter_table(nn.Sequential(layer, layer, layer))
    assert [row.shared_with for row in table] == [
        ("1.weight", "2.weight"),
        ("0.weight", "2.weight"),
        ("0.weight", "1.weight"),
    ]
    assert repr(table).splitlines()[1].endswith("  1.weight, 2.weight")


def test_table_says_no_for_what_is_frozen_or_not_saved():
    lines = {line.split()[0]: line.split()[-2:] for line in repr(parameter_table(Mixed())).splitlines()[1:5]}
    assert lines == {
        "scale": ["yes", "yes"],
        "frozen": ["no", "yes"],
        "mean": ["no", "yes"],
        "cache": ["no", "no"],
    }


def test_table_shows_a_question_mark_where_a_lazy_layer_knows_no_shape():
    table = parameter_table(nn.LazyLinear(2, bias=False))
    assert table == (ParameterRow("weight", "parameter", None, None, torch.float32, True, True, ()),)
    assert repr(table).splitlines()[1].split() == ["weight", "parameter", "?", "?", "float32", "yes", "yes"]


def test_table_names_what_a_parametrized_layer_holds():
    table = parameter_table(parametrizations.weight_norm(nn.Linear(3, 2)))
    assert [(row.name, row.shape) for row in table] == [
        ("bias", (2,)),
        ("parametrizations.weight.original0", (2, 1)),
        ("parametrizations.weight.original1", (2, 3)),
    ]


def test_table_is_html_with_the_cells_of_the_text():
    table = parameter_table(Mixed())
    tree = Tree(table._repr_html_())
    header = [text for tag, text in tree.text if tag == "th"]
    cells = [text for tag, text in tree.text if tag == "td"]
    assert {tag for tag, _ in tree.text} == {"th", "td"}
    assert header == repr(table).splitlines()[0].split()
    assert tree.tags.count("td") == len(table) * len(header)
    assert cells[:7] == ["scale", "parameter", "()", "1", "float32", "yes", "yes"]
    assert cells[-8:] == ["second.weight", "parameter", "(2, 2)", "4", "float32", "yes", "yes", "first.weight"]


def test_table_of_one_row_is_this_html():
    assert parameter_table(nn.Linear(4, 8, bias=False))._repr_html_() == (
        '<table class="blockbook-table"><thead><tr><th>name</th><th>kind</th><th>shape</th><th>count</th><th>dtype</th>'
        "<th>trained</th><th>saved</th><th>shared_with</th></tr></thead><tbody><tr><td>weight</td><td>parameter</td>"
        "<td>(8, 4)</td><td>32</td><td>float32</td><td>yes</td><td>yes</td><td></td></tr></tbody></table>"
    )


def test_table_escapes_names_in_html():
    net = nn.Sequential()
    net.add_module('<b>&"', nn.Linear(1, 1, bias=False))
    tree = Tree(parameter_table(net)._repr_html_())
    assert "b" not in tree.tags
    assert ("td", '<b>&".weight') in tree.text


@given(tied_nets())
def test_table_agrees_with_the_state_dict(net):
    state, table = net.state_dict(keep_vars=True), parameter_table(net)
    assert [row.name for row in table] == list(state)
    parameters, buffers = (dict(named(remove_duplicate=False)) for named in (net.named_parameters, net.named_buffers))
    for row in table:
        tensor = state[row.name]
        assert (row.name in parameters, row.name in buffers) == (row.kind == "parameter", row.kind == "buffer")
        assert (row.shape, row.count, row.dtype) == (tuple(tensor.shape), tensor.numel(), tensor.dtype)
        assert (row.trained, row.saved) == (tensor.requires_grad, True)
        assert row.shared_with == tuple(name for name in state if state[name] is tensor and name != row.name)


# count_parameters


@given(tied_nets())
def test_count_is_the_sum_over_unique_parameters(net):
    unique = {id(value): value for value in net.parameters()}.values()
    assert count_parameters(net) == sum(value.numel() for value in unique)
    assert count_parameters(net, trained=True) == sum(value.numel() for value in unique if value.requires_grad)
    assert count_parameters(net) == count_parameters(net, trained=True) + count_parameters(net, trained=False)
    assert count_parameters(copy.deepcopy(net)) == count_parameters(net)
    assert count_parameters(nn.Sequential(net, net)) == count_parameters(net)


@given(tied_nets())
def test_count_after_untying_is_the_sum_over_names(net):
    names = sum(value.numel() for _, value in net.named_parameters(remove_duplicate=False))
    untie(net)
    assert count_parameters(net) == names


def test_count_leaves_out_buffers():
    assert count_parameters(nn.BatchNorm1d(3, affine=False)) == 0
    assert count_parameters(Mixed()) == 1 + 4 + 4
    assert count_parameters(Mixed(), trained=True) == 1 + 4
    assert count_parameters(Mixed(), trained=False) == 4


def test_count_of_a_layer_without_bias_or_on_the_meta_device():
    assert count_parameters(nn.Linear(4, 8, bias=False)) == 32
    assert count_parameters(nn.Linear(4, 8, device="meta")) == 40


@pytest.mark.parametrize("trained", [None, True, False])
def test_count_refuses_a_lazy_layer(trained):
    net = nn.Sequential(nn.Linear(1, 1), nn.LazyLinear(2))
    rule = "count_parameters needs known shapes: run one forward pass first"
    with refuses(ValueError, rule, "lazy: ['1.weight', '1.bias']", net):
        count_parameters(net, trained=trained)
    net(torch.rand(1, 1))
    assert count_parameters(net) == 2 + 4


def test_count_does_not_mind_a_lazy_buffer():
    assert count_parameters(nn.LazyBatchNorm1d(affine=False)) == 0


# get_tensor


@given(tied_nets())
def test_get_tensor_finds_every_name_of_the_state_dict(net):
    for name, tensor in net.state_dict(keep_vars=True).items():
        assert get_tensor(net, name) is tensor


def test_get_tensor_finds_a_buffer_that_is_not_saved():
    net = Mixed()
    assert get_tensor(net, "cache") is net.cache


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("2.bais", "'2.bias', '0.bias'"),
        ("2.Weight", "'2.weight', '0.weight'"),
        ("weight", "'2.weight', '0.weight'"),
        ("", "'0.weight', '0.bias', '2.weight'"),
        ("?", "'0.weight', '0.bias', '2.weight'"),
        ("0", "'0.weight', '0.bias', '2.weight'"),
    ],
)
def test_get_tensor_suggests_the_nearest_names(name, nearest):
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    rule = "get_tensor needs the name of a parameter or buffer"
    with refuses(ValueError, rule, f"got: {name!r}\n  nearest: {nearest}", net):
        get_tensor(net, name)
    with pytest.raises(ValueError, match=rf"{re.escape(nearest)}\Z"):
        get_tensor(net, name)


@pytest.mark.parametrize("name", ["plain", "none", "nothing", "first", "forward"])
def test_get_tensor_refuses_what_is_neither_parameter_nor_buffer(name):
    net = Mixed()
    with refuses(ValueError, "get_tensor needs the name of a parameter or buffer", f"got: {name!r}", net):
        get_tensor(net, name)


def test_get_tensor_says_that_a_module_holds_nothing():
    with refuses(ValueError, "get_tensor needs the name of a parameter or buffer", "nearest: the module has none"):
        get_tensor(nn.ReLU(), "weight")


@pytest.mark.parametrize("name", [None, 0, b"weight", ("weight",)], ids=repr)
def test_get_tensor_refuses_a_name_that_is_no_string(name):
    net = nn.Linear(2, 2)
    with refuses(TypeError, "get_tensor needs a dotted name, a string", f"got: {name!r}", net):
        get_tensor(net, name)
