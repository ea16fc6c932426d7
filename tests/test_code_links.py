"""Names in cells lead to where they are documented, and to nowhere else."""

import re
from urllib.parse import urldefrag

import pytest
import sphobjinv
import torch
from code_links import Reader, add_links
from inventories import make
from pages import DOCS, EXECUTED, published, written
from playwright.sync_api import Browser, expect
from transcripts import CELL, LANGUAGES

import blockbook

pytestmark = pytest.mark.no_cover
INVENTORIES = {name: sphobjinv.Inventory(DOCS / "_ext" / "inventories" / f"{name}.inv") for name in ("torch", "python")}
ADDRESSES = {
    f"{base}{entry.uri_expanded}"
    for name, base in (
        ("torch", "https://docs.pytorch.org/docs/2.13/"),
        ("python", "https://docs.python.org/3.11/"),
    )
    for entry in INVENTORIES[name].objects
}
DOCUMENTED = {entry.name for inventory in INVENTORIES.values() for entry in inventory.objects}
# PyTorch documents neither its constants nor torch.relu, and of others' libraries nothing is kept
UNDOCUMENTED = {"torch.inf", "torch.nan", "torch.relu", "IPython.display.HTML"}
UNDOCUMENTED |= {"matplotlib.pyplot.show", "matplotlib.pyplot.subplots"}

each_language = pytest.mark.parametrize("language", LANGUAGES)


def names(source: str) -> list[str]:
    return [link.name for link in Reader(DOCUMENTED | {"blockbook.MLP", "blockbook.tie"}).read(source)]


def test_the_inventory_is_of_the_installed_torch() -> None:
    """If this fails: python docs/_ext/inventories/make.py, look at the difference, note the new digest."""
    made = {(entry.name, entry.role, entry.uri_expanded) for entry in make.torch_inventory().objects}
    assert made == {(entry.name, entry.role, entry.uri_expanded) for entry in INVENTORIES["torch"].objects}
    assert INVENTORIES["torch"].version == torch.__version__.partition("+")[0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch\ntorch.rand(2)", ["torch", "torch.rand"]),
        ("from torch import nn as x\nx.Linear(1, 1)", ["torch.nn", "torch.nn.Linear"]),
        ("from torch.nn import functional\nfunctional.relu", ["torch.nn.functional", "torch.nn.functional.relu"]),
        (
            "import torch\ntorch.rand(2).sum().backward()",
            ["torch", "torch.rand", "torch.Tensor.sum", "torch.Tensor.backward"],
        ),
        (
            "from torch.nn import Linear\na = Linear(1, 1)\na.state_dict()",
            ["torch.nn.Linear", "torch.nn.Linear", "torch.nn.modules.module.Module.state_dict"],
        ),
        (
            "from copy import deepcopy\nimport torch\nb = deepcopy(torch.ones(1)).T",
            ["copy.deepcopy", "torch", "copy.deepcopy", "torch.ones", "torch.Tensor.T"],
        ),
        ("from blockbook import tie\ntie", ["blockbook.tie", "blockbook.tie"]),
        ("len('')", ["len"]),
        ("import torch\na, b = torch.ones(1), 2\na.sum(), b.sum()", ["torch", "torch.ones", "torch.Tensor.sum"]),
        ("import torch\na = b = torch.ones(1)\nb.sum()", ["torch", "torch.ones", "torch.Tensor.sum"]),
        # not what the page has made itself
        ("len = 1\nlen", []),
        ("def f(len):\n    len", []),
        ("[len for len in 'ab']", []),
        ("for len in 'ab':\n    len", []),
        ("from blockbook import MLP\nclass MLP:\n    pass\nMLP", ["blockbook.MLP"]),
        (
            "from torch import nn\nclass A(nn.Module):\n    def state_dict(self):\n        pass\nA().state_dict()",
            ["torch.nn", "torch.nn.Module"],
        ),
        # nor what cannot be told
        ("def f(x):\n    x.sum()", []),
        ("%time 1", []),
        ("import nosuch\nnosuch.len", []),
        ("from torch import *", []),
        ("import enum\nclass A(enum.Enum):\n    B = 1\n    def f(self):\n        self.B", ["enum", "enum.Enum"]),
    ],
)
def test_a_name_is_followed_as_python_does(source: str, expected: list[str]) -> None:
    assert names(source) == expected


def test_links_stand_around_whole_pieces_of_code() -> None:
    code = '<pre><span></span><span class="n">a</span> <span class="o">&lt;</span> <span class="n">b</span>'
    code += '<span class="o">.</span><span class="n">c</span>\n</pre>'
    linked = add_links(code, "a < b.c\n", [((1, 4), (1, 7), "x?a&b", False)])
    assert linked == code.replace('<span class="n">b', '<a class="name" href="x?a&amp;b"><span class="n">b').replace(
        "c</span>", "c</span></a>"
    )


@each_language
def test_names_in_cells_lead_to_their_documentation(site: None, language: str) -> None:
    for page in EXECUTED:
        links = published(language, page).select("div.cell_input a.name")
        assert links, page
        for link in links:
            url, place = urldefrag(str(link["href"]))
            assert str(link["href"]) in ADDRESSES or (re.search(r"(^|/)api\.html$", url) and place), link
    chain = {link.get_text(): link["href"] for link in published(language, "blocks/sequential").select("a.name")}
    assert chain["nn.Linear"] == "https://docs.pytorch.org/docs/2.13/generated/torch.nn.Linear.html#torch.nn.Linear"
    assert chain["OrderedDict"] == "https://docs.python.org/3.11/library/collections.html#collections.OrderedDict"
    assert chain["tied_groups"] == "../api.html#blockbook.tied_groups"


def test_every_imported_name_that_is_documented_is_linked() -> None:
    missed = set()
    for page in EXECUTED:
        reader = Reader(DOCUMENTED | {"blockbook", *(f"blockbook.{name}" for name in blockbook.__all__)})
        for match in CELL.finditer(written("en", page)):
            reader.read(match["source"])
        missed |= reader.undocumented
    assert missed == UNDOCUMENTED


@each_language
def test_the_keyboard_stops_once_at_each_name(site: None, language: str) -> None:
    for page in EXECUTED:
        links = published(language, page).select("div.cell_input a.name")
        unfolded = [link for link in links if not link.find_parent("details")]
        stops = [link["href"] for link in unfolded if not link.has_attr("tabindex")]
        assert sorted(stops) == sorted({link["href"] for link in unfolded})


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_links_in_code_are_calm_until_pointed_at(browser: Browser, address: str, mode: str) -> None:
    tab = browser.new_page(color_scheme=mode, reduced_motion="reduce")
    tab.goto(f"{address}/en/blocks/sequential.html")
    link = tab.locator("div.cell_input a.name").first
    expect(link).to_have_css("text-decoration-line", "none")
    link.hover()
    expect(link).to_have_css("text-decoration-line", "underline")
    tab.close()
