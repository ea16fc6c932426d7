"""Draw a module as a tree: types, shapes, parameter counts, and what is one object with what."""

import html
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from blockbook._checks import require_module

# currentColor and transparency only, so that one style reads on a light and on a dark page
STYLE = """\
.blockbook-picture{font:.85em/1.7 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-x:auto}
.blockbook-picture details details,.blockbook-picture .leaf{margin-left:1.1em}
.blockbook-picture details>div{border-left:1px solid rgb(128 128 128/.4);margin-left:.35em}
.blockbook-picture summary{cursor:pointer}
.blockbook-picture summary,.blockbook-picture .leaf{white-space:nowrap}
.blockbook-picture .leaf{padding-left:.35em}
.blockbook-picture b{font-weight:600}
.blockbook-picture .count{opacity:.8;margin-left:.8em}
.blockbook-picture .tie{border:1px solid;border-radius:.6em;padding:0 .45em;margin-left:.8em}
"""


@dataclass(frozen=True)
class Picture:
    """A module as it was when the picture was taken: ``text`` for a terminal, ``html`` for a page.

    >>> from torch import nn
    >>> from blockbook import picture
    >>> "<details" in picture(nn.Sequential(nn.ReLU())).html
    True
    """

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def picture(module: nn.Module) -> Picture:
    """Return a picture of a module, drawn as a tree; end a notebook cell with it to see it.

    A repeated module or a tied tensor stands at each of its places, with ``≡`` and the name it had
    first. Each module shows the number of parameters in it, a tied one counted once.

    Raises:
        TypeError: if ``module`` is not a module.
    Source:
        The tree that ``print(module)`` writes, with the shapes and ties that it leaves out.

    >>> from torch import nn
    >>> from blockbook import picture
    >>> shared = nn.Linear(8, 8)
    >>> picture(nn.Sequential(nn.Linear(4, 8), shared, nn.ReLU(), shared))
    Sequential          112
    ├─ 0 Linear          40
    │  ├─ weight (8, 4)  32
    │  └─ bias (8,)       8
    ├─ 1 Linear          72
    │  ├─ weight (8, 8)  64
    │  └─ bias (8,)       8
    ├─ 2 ReLU             0
    └─ 3 Linear          72 ≡ 1
       ├─ weight (8, 8)  64 ≡ 1.weight
       └─ bias (8,)       8 ≡ 1.bias
    """
    root = _module_node("", "", require_module("picture", module), {})
    lines = list(_text_lines(root, "", ""))
    width, digits = max(len(left) for left, _, _ in lines), max(len(count) for _, count, _ in lines)
    text = "\n".join(f"{left:<{width}} {count:>{digits}} {tie}".rstrip() for left, count, tie in lines)
    return Picture(text, f'<div class="blockbook-picture"><style>{STYLE}</style>{_html(root)}</div>')


@dataclass(frozen=True)
class _Node:
    name: str
    kind: str
    count: int | None
    same_as: str
    children: tuple["_Node", ...]

    @property
    def size(self) -> str:
        return "?" if self.count is None else f"{self.count:,}"

    @property
    def tie(self) -> str:
        return f"≡ {self.same_as}" if self.same_as else ""


def _module_node(name: str, path: str, module: nn.Module, first_path: dict[int, str]) -> _Node:
    same_as = first_path.setdefault(id(module), path)
    prefix = f"{path}." if path else ""
    tensors = [
        _tensor_node(key, prefix + key, tensor, first_path)
        for named in (module.named_parameters, module.named_buffers)
        for key, tensor in named(recurse=False, remove_duplicate=False)
    ]
    # named_children() would leave out a child that stands here twice
    children = [
        _module_node(key, prefix + key, child, first_path)
        for key, child in module._modules.items()
        if child is not None
    ]
    parameters = list(module.parameters())
    count = None if any(map(is_lazy, parameters)) else sum(parameter.numel() for parameter in parameters)
    return _Node(name, type(module).__name__, count, "" if same_as == path else same_as, (*tensors, *children))


def _tensor_node(name: str, path: str, tensor: Tensor, first_path: dict[int, str]) -> _Node:
    same_as = first_path.setdefault(id(tensor), path)
    notes = "" if isinstance(tensor, nn.Parameter) else " buffer"
    if isinstance(tensor, nn.Parameter) and not tensor.requires_grad:
        notes = " frozen"
    shape = "?" if is_lazy(tensor) else str(tuple(tensor.shape))
    count = None if is_lazy(tensor) else tensor.numel()
    return _Node(name, shape + notes, count, "" if same_as == path else same_as, ())


def _text_lines(node: _Node, head: str, tail: str) -> Iterator[tuple[str, str, str]]:
    yield head + f"{node.name} {node.kind}".strip(), node.size, node.tie
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield from _text_lines(child, tail + ("└─ " if last else "├─ "), tail + ("   " if last else "│  "))


def _html(node: _Node) -> str:
    label = " ".join(
        part
        for part in (
            f"<b>{html.escape(node.name)}</b>" if node.name else "",
            f"<span>{html.escape(node.kind)}</span>",
            f'<span class="count">{node.size}</span>',
            f'<span class="tie">{html.escape(node.tie)}</span>' if node.tie else "",
        )
        if part
    )
    if not node.children:
        return f'<div class="leaf">{label}</div>'
    return f"<details open><summary>{label}</summary><div>{''.join(map(_html, node.children))}</div></details>"
