"""Blocks, and how their parameters are accessed, initialised and tied."""

from blockbook.blocks import MLP, FixedHiddenMLP, MySequential, NestMLP
from blockbook.initialization import init_42, init_constant, init_normal, init_xavier, my_init
from blockbook.parameters import ParameterRow, ParameterTable, count_parameters, get_tensor, parameter_table
from blockbook.picture import Picture, picture
from blockbook.tying import relation, restore_ties, tie, tied_groups, untie

__all__ = [
    "MLP",
    "FixedHiddenMLP",
    "MySequential",
    "NestMLP",
    "ParameterRow",
    "ParameterTable",
    "Picture",
    "count_parameters",
    "get_tensor",
    "init_42",
    "init_constant",
    "init_normal",
    "init_xavier",
    "my_init",
    "parameter_table",
    "picture",
    "relation",
    "restore_ties",
    "tie",
    "tied_groups",
    "untie",
]
