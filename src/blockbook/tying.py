"""Tie parameters, see which are tied, and put back a tie that was lost."""

import copy
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from blockbook._checks import require_module
from blockbook.parameters import Slot, slots

Relation = Literal["tied", "aliased", "equal", "different"]


def tie(target: nn.Module, source: nn.Module, name: str = "weight") -> None:
    """Make two modules hold one parameter object: that of ``source``.

    Make the optimizer afterwards: one made before still holds the parameter that ``target`` had.

    Shape:
        ``source.<name>`` and ``target.<name>`` are equal, and so are their dtypes and devices.
    Raises:
        TypeError: if ``target`` or ``source`` is not a module, or ``name`` not a string.
        ValueError: if one of them has no such parameter, if it is lazy, or if shape, dtype or
            device differ; neither module is changed.
    Source:
        Press & Wolf (2017), *Using the Output Embedding to Improve Language Models*.

    >>> from torch import nn
    >>> from blockbook import tie
    >>> a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    >>> tie(b, a)
    >>> b.weight is a.weight
    True
    """
    kept, replaced = _parameter("source", source, name), _parameter("target", target, name)
    _require_alike("tie", ("source", kept), ("target", replaced))
    setattr(target, name, kept)


def relation(first: Tensor, second: Tensor) -> Relation:
    """Say how two tensors are related, from the strongest relation to the weakest.

    - ``"tied"``: they are one object, with one gradient.
    - ``"aliased"``: two objects with one memory and layout. A write through one shows in the other,
      so a test by writing and reading takes them for tied, but each has a gradient of its own.
    - ``"equal"``: equal values, otherwise.
    - ``"different"``: anything else.

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if a tensor is lazy or on the meta device and so has no values to compare.
    Source:
        Python's ``is`` against :func:`torch.equal`.

    >>> import torch
    >>> from torch import nn
    >>> from blockbook import relation
    >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> relation(a.weight, b.weight)
    'different'
    >>> _ = b.load_state_dict(a.state_dict())
    >>> relation(a.weight, b.weight)
    'equal'
    >>> b.weight.data = a.weight.data
    >>> relation(a.weight, b.weight)
    'aliased'
    >>> b.weight = a.weight
    >>> relation(a.weight, b.weight)
    'tied'
    """
    for tensor in (first, second):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"relation compares two tensors\n  got: {tensor!r}")
    if first is second:
        return "tied"
    for tensor in (first, second):
        if is_lazy(tensor) or tensor.is_meta:
            raise ValueError(f"relation compares values, and this tensor has none yet\n  got: {tensor!r}")
    if first.numel() and first.is_set_to(second):
        return "aliased"
    return "equal" if _equal(first, second) else "different"


def tied_groups(module: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Return the groups of names that stand for one parameter or buffer object.

    Names are as in the state dict and groups in the order of their first name. A module used
    twice ties all that it holds.

    Raises:
        TypeError: if ``module`` is not a module.
    Source:
        ``named_parameters(remove_duplicate=False)`` of :class:`torch.nn.Module`.

    >>> from torch import nn
    >>> from blockbook import tied_groups
    >>> shared = nn.Linear(8, 8)
    >>> tied_groups(nn.Sequential(nn.Linear(4, 8), shared, nn.ReLU(), shared))
    (('1.weight', '3.weight'), ('1.bias', '3.bias'))
    """
    names: dict[int, list[str]] = defaultdict(list)
    for place in slots(require_module("tied_groups", module)):
        names[id(place.tensor)].append(place.name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)


def untie(module: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Give every name inside a module a tensor of its own and return the groups that were tied.

    Values are kept, gradients of what was tied are dropped, and a module used twice becomes two modules. Pass the
    returned groups to :func:`blockbook.restore_ties` to tie the parameters again. Make the optimizer
    afterwards: one made before knows nothing of the new parameters.

    Raises:
        TypeError: if ``module`` is not a module.
        ValueError: if a tied parameter is lazy; nothing is changed.
    Source:
        The sum rule of differentiation: the gradient of a tied parameter is the sum of the
        gradients of its untied copies.

    >>> from torch import nn
    >>> from blockbook import tied_groups, untie
    >>> shared = nn.Linear(8, 8, bias=False)
    >>> net = nn.Sequential(shared, nn.ReLU(), shared)
    >>> untie(net)
    (('0.weight', '2.weight'),)
    >>> tied_groups(net)
    ()
    """
    groups = tied_groups(require_module("untie", module))
    places = {place.name: place for place in slots(module)}
    if lazy := [name for group in groups for name in group if is_lazy(places[name].tensor)]:
        raise ValueError(f"untie needs known shapes: run one forward pass first\n  lazy: {lazy}")
    _copy_repeated_modules(module, {id(module)})
    seen: set[int] = set()
    for place in list(slots(module)):
        if id(place.tensor) in seen:
            setattr(place.owner, place.attribute, _own_copy(place))
        seen.add(id(place.tensor))
    for first, *_ in groups:
        # a gradient summed over the uses belongs to none of them
        places[first].tensor.grad = None
    return groups


def restore_ties(module: nn.Module, groups: Iterable[Iterable[str]], *, overwrite: bool = False) -> None:
    """Tie the names of each group again; all hold what the first name of the group holds.

    Take the groups from :func:`blockbook.tied_groups` before a step that breaks ties, such as
    ``load_state_dict(assign=True)`` or ``to_empty``.

    Raises:
        TypeError: if ``module`` is not a module, or a group not a collection of strings.
        ValueError: if a name is unknown or in two groups, if parameters and buffers, shapes,
            dtypes or devices are mixed in a group, or if values differ, unless
            ``overwrite=True`` allows the values of the first name to replace the others; the
            module is unchanged.
    Source:
        The tie of :func:`blockbook.tie`, for any number of names.

    >>> from torch import nn
    >>> from blockbook import restore_ties, tied_groups, untie
    >>> shared = nn.Linear(8, 8, bias=False)
    >>> net = nn.Sequential(shared, nn.ReLU(), shared)
    >>> restore_ties(net, untie(net))
    >>> tied_groups(net)
    (('0.weight', '2.weight'),)
    """
    places = {place.name: place for place in slots(require_module("restore_ties", module))}
    checked: list[list[Slot]] = []
    taken: set[tuple[int, str]] = set()
    for group in groups if isinstance(groups, Iterable) else [groups]:
        names = list(group) if isinstance(group, Iterable) and not isinstance(group, str) else None
        if names is None or not all(isinstance(name, str) for name in names):
            raise TypeError(f"restore_ties needs groups of names\n  got: {group!r}")
        if unknown := [name for name in names if name not in places]:
            raise ValueError(f"restore_ties needs names of the module's parameters or buffers\n  got: {unknown}")
        members = [places[name] for name in names]
        # two names may stand for one place, where a module is used twice
        if again := [place.name for place in members if (id(place.owner), place.attribute) in taken]:
            raise ValueError(f"restore_ties needs each name in one group\n  in two: {again}")
        taken.update((id(place.owner), place.attribute) for place in members)
        for other in members[1:]:
            first = members[0]
            if first.kind != other.kind:
                raise ValueError(
                    f"restore_ties needs groups of one kind\n  {first.name}: {first.kind}\n  {other.name}: {other.kind}"
                )
            _require_alike("restore_ties", (first.name, first.tensor), (other.name, other.tensor))
            if not overwrite and first.tensor is not other.tensor and not _equal(first.tensor, other.tensor):
                raise ValueError(
                    "restore_ties needs equal values, or overwrite=True to keep those of the first name"
                    f"\n  kept: {first.name}\n  replaced: {other.name}"
                )
        checked.append(members)
    for members in checked:
        for other in members[1:]:
            setattr(other.owner, other.attribute, members[0].tensor)


def _parameter(role: str, module: nn.Module, name: str) -> nn.Parameter:
    require_module("tie", module)
    if not isinstance(name, str):
        raise TypeError(f"tie needs the name of a parameter, a string\n  got: {name!r}")
    own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
    if name not in own:
        raise ValueError(f"tie needs a parameter of that name in both modules\n  {role}: {list(own)}\n  name: {name!r}")
    return own[name]


def _require_alike(function: str, first: tuple[str, Tensor], second: tuple[str, Tensor]) -> None:
    for label, tensor in (first, second):
        if is_lazy(tensor):
            raise ValueError(f"{function} needs known shapes: run one forward pass first\n  lazy: {label}")
    for noun, of_tensor in (
        ("shapes", lambda tensor: tuple(tensor.shape)),
        ("dtypes", lambda tensor: tensor.dtype),
        ("devices", lambda tensor: tensor.device),
    ):
        values = of_tensor(first[1]), of_tensor(second[1])
        if values[0] != values[1]:
            raise ValueError(f"{function} needs equal {noun}\n  {first[0]}: {values[0]}\n  {second[0]}: {values[1]}")


def _equal(first: Tensor, second: Tensor) -> bool:
    """Compare shape, dtype, device and every value; a NaN equals a NaN, and meta tensors nothing."""
    try:
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    except (AssertionError, NotImplementedError):
        return False
    return not first.is_meta


def _copy_repeated_modules(module: nn.Module, seen: set[int]) -> None:
    for name, child in module._modules.items():
        if child is None:
            continue
        if id(child) in seen:
            child = module._modules[name] = copy.deepcopy(child)
        seen.add(id(child))
        _copy_repeated_modules(child, seen)


def _own_copy(place: Slot) -> Tensor:
    own = place.tensor.detach().clone()
    return nn.Parameter(own, requires_grad=place.tensor.requires_grad) if place.kind == "parameter" else own
