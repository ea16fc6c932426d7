"""Initialisers for linear layers, to be used with :meth:`torch.nn.Module.apply`.

Each takes one module. A linear layer (a subclass too) is initialised in place; any other module
is left as it is, because ``apply`` visits the containers and the activations as well.
"""

import torch
from torch import Generator, nn
from torch.nn.parameter import is_lazy

from blockbook._checks import require_finite, require_module


def _linear(function: str, module: object) -> nn.Linear | None:
    """Return ``module`` if it is a linear layer that can be initialised, ``None`` if it is no linear layer."""
    module = require_module(function, module)
    if not isinstance(module, nn.Linear):
        return None
    # not module.weight: reading a parametrized weight computes it, and spectral_norm then changes its buffers
    weight = module._parameters.get("weight")
    if weight is not None and is_lazy(weight):
        raise ValueError(
            f"{function} needs a layer whose shapes are known: run one forward pass first\n  got: {module}"
        )
    if not {"weight", "bias"} <= module._parameters.keys():
        # parametrized or pruned: computed anew before each use, so what is written into it is lost
        raise ValueError(
            f"{function} needs a layer that holds its own weight and bias: initialise before parametrizing or pruning"
            f"\n  got: {module}"
        )
    return module


def init_normal(module: nn.Module, std: float = 0.01, *, mean: float = 0.0, generator: Generator | None = None) -> None:
    """Draw the weight of a linear layer from N(mean, std²) and set its bias to zero.

    Raises:
        TypeError: if ``module`` is not a module, or ``std`` or ``mean`` not a number.
        ValueError: if ``std`` is negative, ``std`` or ``mean`` not finite, or the layer lazy,
            parametrized or pruned; the layer is unchanged.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Parameter Initialization".

    >>> from functools import partial
    >>> import torch
    >>> from torch import nn
    >>> from blockbook import init_normal
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> _ = net.apply(partial(init_normal, std=0.5, generator=torch.Generator().manual_seed(0)))
    >>> net[0].bias.abs().max().item()
    0.0
    """
    require_finite("std", std, minimum=0)
    require_finite("mean", mean)
    if (layer := _linear("init_normal", module)) is None:
        return
    nn.init.normal_(layer.weight, mean=mean, std=std, generator=generator)
    _zero_bias(layer)


def init_constant(module: nn.Module, value: float = 1.0) -> None:
    """Set every entry of a linear layer's weight to ``value`` and its bias to zero.

    Raises:
        TypeError: if ``module`` is not a module or ``value`` not a number.
        ValueError: if ``value`` is not finite, or the layer lazy, parametrized or pruned; the
            layer is unchanged.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Parameter Initialization". A constant
        leaves all hidden units alike for ever: it is here to be looked at, not to train with.

    >>> from torch import nn
    >>> from blockbook import init_constant
    >>> layer = nn.Linear(3, 1)
    >>> init_constant(layer, value=2)
    >>> layer.weight.detach()
    tensor([[2., 2., 2.]])
    """
    require_finite("value", value)
    if (layer := _linear("init_constant", module)) is None:
        return
    nn.init.constant_(layer.weight, value)
    _zero_bias(layer)


def init_xavier(module: nn.Module, gain: float = 1.0, *, generator: Generator | None = None) -> None:
    """Draw the weight of a linear layer from U(-a, a), a = gain·√(6 / (fan_in + fan_out)).

    The bias is left as it is: fan-in and fan-out are not defined for one dimension.

    Raises:
        TypeError: if ``module`` is not a module or ``gain`` not a number.
        ValueError: if ``gain`` is negative or not finite, or the layer lazy, parametrized or
            pruned; the layer is unchanged.
    Source:
        Glorot & Bengio (2010), *Understanding the difficulty of training deep feedforward neural
        networks*, equation 16.

    >>> import math
    >>> from torch import nn
    >>> from blockbook import init_xavier
    >>> layer = nn.Linear(4, 8)
    >>> init_xavier(layer)
    >>> layer.weight.abs().max().item() <= math.sqrt(6 / (4 + 8))
    True
    """
    require_finite("gain", gain, minimum=0)
    if (layer := _linear("init_xavier", module)) is not None:
        nn.init.xavier_uniform_(layer.weight, gain=gain, generator=generator)


def init_42(module: nn.Module) -> None:
    """Set every entry of a linear layer's weight to 42 and leave its bias as it is.

    Raises:
        TypeError: if ``module`` is not a module.
        ValueError: if the layer is lazy, parametrized or pruned; the layer is unchanged.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Parameter Initialization".

    >>> from torch import nn
    >>> from blockbook import init_42
    >>> layer = nn.Linear(3, 1)
    >>> init_42(layer)
    >>> layer.weight.detach()
    tensor([[42., 42., 42.]])
    """
    if (layer := _linear("init_42", module)) is not None:
        nn.init.constant_(layer.weight, 42)


def my_init(module: nn.Module, *, generator: Generator | None = None) -> None:
    """Draw the weight of a linear layer from U(-10, 10), set the entries below 5 in size to zero, and say so.

    An entry is then 0 with probability ½, from U(5, 10) with ¼ and from U(-10, -5) with ¼. The
    bias is left as it is. Prints ``Init weight`` and the weight's shape.

    Raises:
        TypeError: if ``module`` is not a module.
        ValueError: if the layer is lazy, parametrized or pruned; the layer is unchanged.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Parameter Initialization".

    >>> from torch import nn
    >>> from blockbook import my_init
    >>> layer = nn.Linear(4, 8)
    >>> my_init(layer)
    Init weight torch.Size([8, 4])
    >>> bool(((layer.weight == 0) | (layer.weight.abs() >= 5)).all())
    True
    """
    if (layer := _linear("my_init", module)) is None:
        return
    print("Init", "weight", layer.weight.shape)
    nn.init.uniform_(layer.weight, -10, 10, generator=generator)
    with torch.no_grad():
        layer.weight *= layer.weight.abs() >= 5


def _zero_bias(layer: nn.Linear) -> None:
    # bias=False leaves None in its place
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
