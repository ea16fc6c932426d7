"""Checks of arguments that several modules of the package make."""

import math
import reprlib

from torch import Tensor, nn


def require_module(function: str, value: object) -> nn.Module:
    """Return ``value`` if it is a module, else raise a ``TypeError`` that says what to pass."""
    if isinstance(value, nn.Module):
        return value
    got, hint = reprlib.repr(value), ""
    if isinstance(value, type):
        got, hint = f"the class {value.__name__}", f"\n  hint: pass an instance: {value.__name__}(...)"
    elif callable(value):
        # the repr of a function holds its address
        got = f"the function {getattr(value, '__name__', type(value).__name__)}"
        hint = "\n  hint: a function registers nothing: use its module, as nn.ReLU() for torch.relu"
    raise TypeError(f"{function} needs a module\n  got: {got}{hint}")


def require_size(name: str, value: object) -> int:
    """Return ``value`` if it is a positive integer, else raise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a positive integer\n  got: {reprlib.repr(value)}")
    if value < 1:
        raise ValueError(f"{name} is a positive integer\n  got: {value}")
    return value


def require_finite(name: str, value: object, *, minimum: float = -math.inf) -> float:
    """Return ``value`` if it is a finite number of at least ``minimum``, else raise."""
    rule = f"{name} is a finite number" + (f" of at least {minimum:g}" if minimum > -math.inf else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{rule}\n  got: {reprlib.repr(value)}")
    if not math.isfinite(value) or value < minimum:
        raise ValueError(f"{rule}\n  got: {value}")
    return value


def require_features(block: nn.Module, x: object, features: int) -> Tensor:
    """Return ``x`` if it is a tensor whose last dimension is ``features``, else raise."""
    rule = f"{type(block).__name__} needs a tensor of shape (..., {features})"
    if not isinstance(x, Tensor):
        raise TypeError(f"{rule}\n  got: {reprlib.repr(x)}")
    if x.ndim == 0 or x.shape[-1] != features:
        raise ValueError(f"{rule}\n  got: {tuple(x.shape)}")
    return x
