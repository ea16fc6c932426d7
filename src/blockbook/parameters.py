"""Read the parameters and buffers of a module: names, shapes, counts, and what shares with what."""

import difflib
import html
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from blockbook._checks import require_module

Kind = Literal["parameter", "buffer"]


class Slot(NamedTuple):
    """One place in a module tree that holds a parameter or a buffer."""

    name: str
    owner: nn.Module
    attribute: str
    kind: Kind
    tensor: Tensor


def slots(module: nn.Module) -> Iterator[Slot]:
    """Yield every place, in the order of the state dict; a tied tensor at each of its places."""
    for path, owner in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for attribute, parameter in owner.named_parameters(recurse=False, remove_duplicate=False):
            yield Slot(prefix + attribute, owner, attribute, "parameter", parameter)
        for attribute, buffer in owner.named_buffers(recurse=False, remove_duplicate=False):
            yield Slot(prefix + attribute, owner, attribute, "buffer", buffer)


@dataclass(frozen=True)
class ParameterRow:
    """What there is to know about one parameter or buffer.

    ``shape`` and ``count`` are ``None`` while a lazy layer does not know them. ``trained`` is
    ``requires_grad``, ``saved`` is whether the state dict holds it, and ``shared_with`` lists the
    other names of the same tensor object.

    >>> from torch import nn
    >>> from blockbook import parameter_table
    >>> row = parameter_table(nn.Linear(4, 8))[0]
    >>> row.name, row.shape, row.count, row.trained
    ('weight', (8, 4), 32, True)
    """

    name: str
    kind: Kind
    shape: tuple[int, ...] | None
    count: int | None
    dtype: torch.dtype
    trained: bool
    saved: bool
    shared_with: tuple[str, ...]


COLUMNS = tuple(field.name for field in fields(ParameterRow))


class ParameterTable(tuple[ParameterRow, ...]):
    """Rows for a program, and a table for a person when shown in a terminal or a notebook.

    >>> from torch import nn
    >>> from blockbook import parameter_table
    >>> parameter_table(nn.Linear(4, 8, bias=False))
    name    kind       shape   count  dtype    trained  saved  shared_with
    weight  parameter  (8, 4)  32     float32  yes      yes
    """

    __slots__ = ()

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                row.name,
                row.kind,
                "?" if row.shape is None else str(row.shape),
                "?" if row.count is None else f"{row.count:,}",
                str(row.dtype).removeprefix("torch."),
                "yes" if row.trained else "no",
                "yes" if row.saved else "no",
                ", ".join(row.shared_with),
            )
            for row in self
        ]

    def __repr__(self) -> str:
        lines = [COLUMNS, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        def row(tag: str, cells: tuple[str, ...]) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(row("td", cells) for cells in self._cells())
        return f'<table class="blockbook-table"><thead>{row("th", COLUMNS)}</thead><tbody>{body}</tbody></table>'


def parameter_table(module: nn.Module) -> ParameterTable:
    """Return a row for every parameter and buffer of a module, tied ones at each of their places.

    Raises:
        TypeError: if ``module`` is not a module.
    Source:
        ``named_parameters(remove_duplicate=False)`` of :class:`torch.nn.Module`; by default it
        names a tied parameter once.

    >>> from torch import nn
    >>> from blockbook import parameter_table
    >>> shared = nn.Linear(8, 8, bias=False)
    >>> for row in parameter_table(nn.Sequential(shared, nn.ReLU(), shared)):
    ...     print(row.name, row.shape, row.shared_with)
    0.weight (8, 8) ('2.weight',)
    2.weight (8, 8) ('0.weight',)
    """
    places = list(slots(require_module("parameter_table", module)))
    names: dict[int, list[str]] = defaultdict(list)
    for place in places:
        names[id(place.tensor)].append(place.name)
    return ParameterTable(
        ParameterRow(
            name=place.name,
            kind=place.kind,
            shape=None if is_lazy(place.tensor) else tuple(place.tensor.shape),
            count=None if is_lazy(place.tensor) else place.tensor.numel(),
            dtype=place.tensor.dtype,
            trained=place.tensor.requires_grad,
            saved=place.attribute not in place.owner._non_persistent_buffers_set,
            shared_with=tuple(name for name in names[id(place.tensor)] if name != place.name),
        )
        for place in places
    )


def count_parameters(module: nn.Module, *, trained: bool | None = None) -> int:
    """Return how many numbers the parameters of a module hold, each tied parameter counted once.

    With ``trained=True`` only those that gradients reach are counted, with ``False`` only the
    frozen ones. Buffers are not parameters.

    Raises:
        TypeError: if ``module`` is not a module.
        ValueError: if a parameter is lazy, so that its size is not known yet.
    Source:
        :meth:`torch.nn.Module.parameters`, which yields each parameter object once.

    >>> from torch import nn
    >>> from blockbook import count_parameters
    >>> shared = nn.Linear(8, 8)
    >>> count_parameters(nn.Sequential(shared, nn.ReLU(), shared))
    72
    """
    require_module("count_parameters", module)
    if trained is not None and not isinstance(trained, bool):
        raise TypeError(f"count_parameters needs trained to be True, False or None\n  got: {trained!r}")
    if unknown := [name for name, parameter in module.named_parameters() if is_lazy(parameter)]:
        raise ValueError(f"count_parameters needs known shapes: run one forward pass first\n  lazy: {unknown}")
    return sum(p.numel() for p in module.parameters() if trained is None or p.requires_grad == trained)


def get_tensor(module: nn.Module, name: str) -> Tensor:
    """Return the parameter or buffer with a dotted name, as the state dict writes it.

    Raises:
        TypeError: if ``module`` is not a module or ``name`` not a string.
        ValueError: if there is none of that name; the error suggests the nearest names.
    Source:
        :meth:`torch.nn.Module.get_parameter`, which looks up parameters only and suggests nothing.

    >>> from torch import nn
    >>> from blockbook import get_tensor
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> get_tensor(net, "2.bias") is net[2].bias
    True
    >>> get_tensor(net, "2.bais")
    Traceback (most recent call last):
    ...
    ValueError: get_tensor needs the name of a parameter or buffer
      got: '2.bais'
      nearest: '2.bias', '0.bias'
    """
    require_module("get_tensor", module)
    if not isinstance(name, str):
        raise TypeError(f"get_tensor needs a dotted name, a string\n  got: {name!r}")
    by_name = {place.name: place.tensor for place in slots(module)}
    if name not in by_name:
        nearest = difflib.get_close_matches(name, by_name) or list(by_name)[:3]
        raise ValueError(
            f"get_tensor needs the name of a parameter or buffer\n  got: {name!r}\n  nearest: "
            + (", ".join(map(repr, nearest)) or "the module has none")
        )
    return by_name[name]
