"""What the seed's notes show is on the built pages, in both languages, corrected where the notes are wrong."""

import re
from collections import OrderedDict
from typing import Any

import pytest
import torch
from pages import cells, output, published
from transcripts import LANGUAGES

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.usefixtures("site"),
    pytest.mark.parametrize("language", LANGUAGES),
]


def value(text: str) -> Any:
    """Return the object whose repr the page shows."""
    text = re.sub(r", grad_fn=<\w+>|, requires_grad=True", "", text.removeprefix("Parameter containing:"))
    return eval(text, {"OrderedDict": OrderedDict, "tensor": torch.tensor, "torch": torch})


def shown(language: str, page: str, part: str) -> list[str]:
    """Return the sources of the cells of a page that hold ``part``."""
    return [cell.source for cell in cells(language, page) if part in cell.source]


def test_mlp_maps_twenty_numbers_to_ten(language: str) -> None:
    assert any("class MLP(nn.Module)" in source for source in shown(language, "blocks/mlp", "F.relu(self.hidden(X))"))
    assert value(output(language, "blocks/mlp", "net(X).shape")) == torch.Size([2, 10])
    assert output(language, "blocks/mlp", "count_parameters(net)") in {"7946", "7_946"}


def test_state_dict_of_the_last_layer(language: str) -> None:
    state = value(output(language, "parameters/access", "print(net[2].state_dict())"))
    assert type(state) is OrderedDict
    assert [(name, tuple(tensor.shape)) for name, tensor in state.items()] == [("weight", (1, 8)), ("bias", (1,))]


def test_target_parameter(language: str) -> None:
    shown = output(language, "parameters/access", "print(net[2].bias.data)")
    kind, parameter, data = re.split(r"(?<=>)\n|(?<=True\))\n", shown)
    assert kind == "<class 'torch.nn.parameter.Parameter'>"
    assert parameter.startswith("Parameter containing:\ntensor([")
    assert parameter.endswith("], requires_grad=True)")
    assert re.fullmatch(r"tensor\(\[-?\d\.\d+\]\)", data)
    assert torch.equal(value(parameter), value(data))
    state = value(output(language, "parameters/access", "print(net[2].state_dict())"))
    assert torch.equal(value(data), state["bias"])


def test_gradient_is_none_before_backward(language: str) -> None:
    assert output(language, "parameters/access", "net[2].weight.grad is None") == "True"
    shape, _ = value(output(language, "parameters/access", "net[2].weight.grad.shape, net[2].bias.grad"))
    assert shape == torch.Size([1, 8])


def test_all_parameters_at_once(language: str) -> None:
    first, whole = output(language, "parameters/access", "in net.named_parameters()])").splitlines()
    assert first == "('weight', torch.Size([8, 4])) ('bias', torch.Size([8]))"
    assert whole == (
        "('0.weight', torch.Size([8, 4])) ('0.bias', torch.Size([8])) "
        "('2.weight', torch.Size([1, 8])) ('2.bias', torch.Size([1]))"
    )


def test_tied_rows_are_equal_before_and_after_the_write(language: str) -> None:
    page, row = "parameters/tying", "tensor([True, True, True, True, True, True, True, True])"
    compare = "net[2].weight.data[0] == net[4].weight.data[0]"
    before, after = (cell for cell in cells(language, page) if cell.source.endswith(compare))
    assert "net[2].weight.data[0, 0] = 100" not in before.source
    assert after.source.startswith("net[2].weight.data[0, 0] = 100\n")
    assert before.output == after.output == row


def test_seeds_sequential_fails_as_the_page_says(language: str) -> None:
    page = "blocks/sequential"
    assert any("self._modules[block] = block" in source for source in shown(language, page, "class "))
    refusals = [cell.output for cell in cells(language, page) if "can only concatenate str" in cell.output]
    assert 'TypeError: can only concatenate str (not "Linear") to str' in refusals


def test_fixed_hidden_mlp_of_the_seed_is_there(language: str) -> None:
    source = shown(language, "blocks/forward", "torch.rand((20, 20), requires_grad=False)")[0]
    assert "class FixedHiddenMLP(nn.Module)" in source
    assert "while X.abs().sum() > 1" in "\n".join(shown(language, "blocks/forward", "while"))


def test_depth_plot_is_drawn_into_the_page(language: str) -> None:
    (plot,) = published(language, "parameters/initialization").select("div.cell_output .drawing svg")
    assert {"layer", "std", "normal 0.01", "default", "Xavier", "Kaiming"} <= {
        text.get_text() for text in plot.select("text")
    }
    assert "currentColor" in str(plot)
