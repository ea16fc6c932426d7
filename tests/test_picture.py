import dataclasses
import re

import pytest
import torch
from helpers import NOT_MODULES, Tree, refuses, snapshot, tied_nets
from hypothesis import given
from torch import nn
from torch.nn.utils import parametrizations

from blockbook import Picture, picture
from blockbook.picture import STYLE


class Labels(Tree):
    """Reads the labels of a picture and how deep they stand."""

    def __init__(self, html):
        self.labels = []
        super().__init__(html)

    def handle_starttag(self, tag, attrs):
        if tag == "summary" or ("class", "leaf") in attrs:
            self.labels.append((self.open.count("details") - (tag == "summary"), []))
        super().handle_starttag(tag, attrs)

    def handle_data(self, data):
        super().handle_data(data)
        if self.labels:
            self.labels[-1][1].extend(data.split())


def body(module):
    """Return the HTML of a picture without its frame."""
    frame = re.fullmatch(
        r'<div class="blockbook-picture"><style>(.*)</style>(.*)</div>', picture(module).html, re.DOTALL
    )
    assert frame
    assert frame[1] == STYLE
    return frame[2]


def lines(module):
    return picture(module).text.splitlines()


def named(name, child):
    net = nn.Sequential()
    net.add_module(name, child)
    return net


def test_picture_of_a_small_net_is_this_text_and_this_html():
    layer = nn.Linear(1, 2, bias=False)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert lines(net) == [
        "Sequential          2",
        "├─ 0 Linear         2",
        "│  └─ weight (2, 1) 2",
        "├─ 1 ReLU           0",
        "└─ 2 Linear         2 ≡ 0",
        "   └─ weight (2, 1) 2 ≡ 0.weight",
    ]
    assert body(net) == (
        '<details open><summary><span>Sequential</span> <span class="count">2</span></summary><div>'
        '<details open><summary><b>0</b> <span>Linear</span> <span class="count">2</span></summary><div>'
        '<div class="leaf"><b>weight</b> <span>(2, 1)</span> <span class="count">2</span></div>'
        "</div></details>"
        '<div class="leaf"><b>1</b> <span>ReLU</span> <span class="count">0</span></div>'
        '<details open><summary><b>2</b> <span>Linear</span> <span class="count">2</span> '
        '<span class="tie">≡ 0</span></summary><div>'
        '<div class="leaf"><b>weight</b> <span>(2, 1)</span> <span class="count">2</span> '
        '<span class="tie">≡ 0.weight</span></div>'
        "</div></details>"
        "</div></details>"
    )


def test_picture_shows_ties_of_tensors_and_of_modules_at_any_depth():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.Linear(1, 2, bias=False)
            self.scale = nn.Parameter(torch.ones(1000, 2))
            self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
            self.twin = self.scale
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("cache", self.mean, persistent=False)
            self.a = nn.Sequential(nn.Sequential(layer, nn.ReLU()))
            self.b = self.a[0]
            self.c = None
            self.d = layer

    assert lines(Net()) == [
        "Net                       2,006",
        "├─ scale (1000, 2)        2,000",
        "├─ frozen (2, 2) frozen       4",
        "├─ twin (1000, 2)         2,000 ≡ scale",
        "├─ mean (3,) buffer           3",
        "├─ cache (3,) buffer          3 ≡ mean",
        "├─ a Sequential               2",
        "│  └─ 0 Sequential            2",
        "│     ├─ 0 Linear             2",
        "│     │  └─ weight (2, 1)     2",
        "│     └─ 1 ReLU               0",
        "├─ b Sequential               2 ≡ a.0",
        "│  ├─ 0 Linear                2 ≡ a.0.0",
        "│  │  └─ weight (2, 1)        2 ≡ a.0.0.weight",
        "│  └─ 1 ReLU                  0 ≡ a.0.1",
        "└─ d Linear                   2 ≡ a.0.0",
        "   └─ weight (2, 1)           2 ≡ a.0.0.weight",
    ]


def test_picture_skips_a_child_that_is_none():
    net = named("gone", None)
    net.append(nn.ReLU())
    assert lines(net) == ["Sequential 0", "└─ 1 ReLU  0"]


def test_picture_of_a_module_that_holds_nothing_is_one_line():
    assert lines(nn.ReLU()) == ["ReLU 0"]
    assert body(nn.ReLU()) == '<div class="leaf"><span>ReLU</span> <span class="count">0</span></div>'


def test_picture_shows_a_question_mark_for_what_a_lazy_layer_does_not_know():
    lazy = nn.LazyLinear(2)
    net = nn.Sequential(nn.Linear(1, 1, bias=False), lazy, lazy)
    assert lines(net) == [
        "Sequential          ?",
        "├─ 0 Linear         1",
        "│  └─ weight (1, 1) 1",
        "├─ 1 LazyLinear     ?",
        "│  ├─ weight ?      ?",
        "│  └─ bias ?        ?",
        "└─ 2 LazyLinear     ? ≡ 1",
        "   ├─ weight ?      ? ≡ 1.weight",
        "   └─ bias ?        ? ≡ 1.bias",
    ]


def test_picture_of_a_lazy_buffer_knows_the_parameters():
    assert [line.split() for line in lines(nn.LazyBatchNorm1d(affine=False))] == [
        ["LazyBatchNorm1d", "0"],
        ["├─", "running_mean", "?", "buffer", "?"],
        ["├─", "running_var", "?", "buffer", "?"],
        ["└─", "num_batches_tracked", "()", "buffer", "1"],
    ]


def test_picture_shows_what_a_parametrized_layer_holds():
    assert lines(parametrizations.weight_norm(nn.Linear(3, 2))) == [
        "ParametrizedLinear               10",
        "├─ bias (2,)                      2",
        "└─ parametrizations ModuleDict    8",
        "   └─ weight ParametrizationList  8",
        "      ├─ original0 (2, 1)         2",
        "      ├─ original1 (2, 3)         6",
        "      └─ 0 _WeightNorm            0",
    ]


def test_frozen_is_said_of_parameters_and_buffer_of_buffers():
    norm = nn.BatchNorm1d(2).requires_grad_(False)
    assert [line.split()[1:-1] for line in lines(norm)[1:]] == [
        ["weight", "(2,)", "frozen"],
        ["bias", "(2,)", "frozen"],
        ["running_mean", "(2,)", "buffer"],
        ["running_var", "(2,)", "buffer"],
        ["num_batches_tracked", "()", "buffer"],
    ]


@pytest.mark.parametrize("name", ["<b>", "</details>", "&amp;", '"quoted"', "'", "a < b"])
def test_html_escapes_names_and_types(name):
    layer = type(name, (nn.Linear,), {})(1, 1, bias=False)
    net = named(name, layer)
    net.append(layer)
    html = picture(net).html
    assert Labels(html).labels == [
        (depth, line.split())
        for depth, line in (
            (0, "Sequential 1"),
            (1, f"{name} {name} 1"),
            (2, "weight (1, 1) 1"),
            (1, f"1 {name} 1 ≡ {name}"),
            (2, f"weight (1, 1) 1 ≡ {name}.weight"),
        )
    ]
    assert Tree(html).tags.count("b") == 4


@given(tied_nets())
def test_html_is_balanced_and_says_what_the_text_says(net):
    shown = picture(net)
    text = [re.fullmatch(r"((?:[│ ]  )*(?:[├└]─ )?)(.*)", line).groups() for line in shown.text.splitlines()]
    assert Labels(shown.html).labels == [(len(indent) // 3, label.split()) for indent, label in text]


@given(tied_nets())
def test_picture_has_a_line_for_every_place(net):
    places = [*net.named_modules(remove_duplicate=False), *net.named_parameters(remove_duplicate=False)]
    places += net.named_buffers(remove_duplicate=False)
    assert len(lines(net)) == len(places)
    first_names = {}
    for name, thing in places:
        first_names.setdefault(id(thing), name)
    marks = sorted(line.split("≡ ")[1] for line in lines(net) if "≡" in line)
    assert marks == sorted(first_names[id(thing)] for name, thing in places if first_names[id(thing)] != name)


@given(tied_nets())
def test_picture_is_the_same_twice_and_changes_nothing(net):
    before = snapshot(net)
    first, second = picture(net), picture(net)
    assert first == second
    assert "0x" not in first.text + first.html
    assert snapshot(net) == before


def test_picture_is_of_the_moment_it_was_taken():
    net = nn.Sequential(nn.ReLU())
    shown = picture(net)
    net.append(nn.ReLU())
    assert shown.text.splitlines() == ["Sequential 0", "└─ 0 ReLU  0"]
    assert shown != picture(net)


def test_picture_shows_itself_in_a_terminal_and_in_a_notebook():
    shown = picture(nn.Linear(1, 1))
    assert isinstance(shown, Picture)
    assert repr(shown) == str(shown) == shown.text
    assert shown._repr_html_() == shown.html


def test_picture_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'text'"):
        picture(nn.ReLU()).text = ""


@pytest.mark.parametrize(("value", "got"), NOT_MODULES)
def test_what_is_no_module_is_a_type_error(value, got):
    with refuses(TypeError, "picture needs a module", f"got: {got}"):
        picture(value)
