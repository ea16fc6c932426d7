"""The blocks of the chapter *Layers and blocks*, with the sizes it uses as defaults."""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blockbook._checks import require_features, require_module, require_size


class MLP(nn.Module):
    """A multilayer perceptron with one hidden layer and a ReLU between its two linear layers.

    Shape:
        ``(..., in_features)`` to ``(..., out_features)``.
    Raises:
        TypeError: if a size is not an integer, or the input not a tensor.
        ValueError: if a size is not positive, or the input's last dimension is not ``in_features``.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Layers and Modules".

    >>> import torch
    >>> from blockbook import MLP
    >>> MLP()(torch.rand(2, 20)).shape
    torch.Size([2, 10])
    >>> sum(parameter.numel() for parameter in MLP().parameters())
    7946
    """

    def __init__(self, in_features: int = 20, hidden_features: int = 256, out_features: int = 10) -> None:
        super().__init__()
        require_size("in_features", in_features)
        require_size("hidden_features", hidden_features)
        require_size("out_features", out_features)
        self.hidden = nn.Linear(in_features, hidden_features)
        self.out = nn.Linear(hidden_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the ``out_features`` scores of each input.

        >>> import torch
        >>> from blockbook import MLP
        >>> MLP(4, 8, 1).forward(torch.zeros(3, 4)).shape
        torch.Size([3, 1])
        """
        require_features(self, x, self.hidden.in_features)
        scores: Tensor = self.out(F.relu(self.hidden(x)))
        return scores


class MySequential(nn.Module):
    """A chain of modules, each of which takes the output of the one before.

    Shape:
        What the first module takes, to what the last one returns; unchanged if there is none.
    Raises:
        TypeError: if an argument is not a module; the chain is unchanged.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Layers and Modules"; the names of the
        children are strings ``"0"``, ``"1"``, … as in :class:`torch.nn.Sequential`.

    >>> import torch
    >>> from torch import nn
    >>> from blockbook import MySequential
    >>> net = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
    >>> net(torch.rand(2, 20)).shape
    torch.Size([2, 10])
    >>> [name for name, _ in net.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: nn.Module) -> Self:
        """Add a module to the end of the chain and return the chain.

        Raises:
            TypeError: if ``module`` is not a module; the chain is unchanged.

        >>> from torch import nn
        >>> from blockbook import MySequential
        >>> MySequential().append(nn.ReLU()).append(nn.Tanh())
        MySequential(
          (0): ReLU()
          (1): Tanh()
        )
        """
        require_module("MySequential", module)
        self.add_module(str(len(self._modules)), module)
        return self

    # A chain passes on whatever its modules take and return: tuples and packed sequences too.
    def forward(self, x):  # type: ignore[no-untyped-def]
        """Return what the last module makes of what the others made of ``x``.

        >>> import torch
        >>> from torch import nn
        >>> from blockbook import MySequential
        >>> MySequential(nn.ReLU()).forward(torch.tensor([-1.0, 1.0]))
        tensor([0., 1.])
        """
        # children() would skip a module that stands in the chain twice
        for module in self._modules.values():
            x = module(x)  # type: ignore[misc]
        return x


class FixedHiddenMLP(nn.Module):
    """A block with a constant parameter, a layer used twice, and control flow in its forward pass.

    The constant ``rand_weight`` is drawn once from U(0, 1), by ``generator`` if one is given. It
    is a buffer: saved with the state dict, moved and cast with the module, never trained.

    Shape:
        ``(..., features)`` to a scalar in [-1, 1].
    Raises:
        TypeError: if ``features`` is not an integer, or the input not a tensor.
        ValueError: if ``features`` is not positive, the input's last dimension is not
            ``features``, or the hidden values are not finite: halving never makes an infinity
            small, and a NaN would pass every comparison unseen.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Layers and Modules".

    >>> import torch
    >>> from blockbook import FixedHiddenMLP
    >>> net = FixedHiddenMLP(generator=torch.Generator().manual_seed(0))
    >>> net(torch.rand(2, 20)).shape
    torch.Size([])
    >>> list(net.state_dict())
    ['rand_weight', 'linear.weight', 'linear.bias']
    """

    rand_weight: Tensor

    def __init__(self, features: int = 20, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        require_size("features", features)
        self.register_buffer("rand_weight", torch.rand(features, features, generator=generator))
        self.linear = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the hidden values, halved until their absolute sum is at most 1.

        >>> import torch
        >>> from blockbook import FixedHiddenMLP
        >>> bool(FixedHiddenMLP().forward(torch.rand(2, 20)).abs() <= 1)
        True
        """
        require_features(self, x, self.linear.in_features)
        x = self.linear(x)
        x = F.relu(x @ self.rand_weight + 1)
        x = self.linear(x)
        if not torch.isfinite(x).all():
            raise ValueError(
                f"FixedHiddenMLP needs finite hidden values\n  got: {int((~torch.isfinite(x)).sum())}"
                f" of {x.numel()} infinite or NaN"
            )
        while x.abs().sum() > 1:
            x = x / 2
        return x.sum()


class NestMLP(nn.Module):
    """A block that holds a chain of layers and a linear layer after it.

    Shape:
        ``(..., in_features)`` to ``(..., out_features)``.
    Raises:
        TypeError: if a size is not an integer, or the input not a tensor.
        ValueError: if a size is not positive, or the input's last dimension is not ``in_features``.
    Source:
        Zhang et al., *Dive into Deep Learning*, section "Layers and Modules".

    >>> import torch
    >>> from torch import nn
    >>> from blockbook import FixedHiddenMLP, MySequential, NestMLP
    >>> chimera = MySequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
    >>> chimera(torch.rand(2, 20)).shape
    torch.Size([])
    """

    def __init__(self, in_features: int = 20, out_features: int = 16) -> None:
        super().__init__()
        require_size("in_features", in_features)
        require_size("out_features", out_features)
        self.net = MySequential(nn.Linear(in_features, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, out_features)
        self.in_features = in_features

    def forward(self, x: Tensor) -> Tensor:
        """Return the ``out_features`` values of each input.

        >>> import torch
        >>> from blockbook import NestMLP
        >>> NestMLP(in_features=4, out_features=2).forward(torch.rand(3, 4)).shape
        torch.Size([3, 2])
        """
        require_features(self, x, self.in_features)
        values: Tensor = self.linear(self.net(x))
        return values
