import doctest
import inspect
import re
import subprocess
import sys

import pytest
from test_claims import NUMBER
from torch import nn

import blockbook

PUBLIC = [getattr(blockbook, name) for name in blockbook.__all__]
METHODS = [
    method
    for value in PUBLIC
    if inspect.isclass(value) and issubclass(value, nn.Module)
    for name, method in vars(value).items()
    if inspect.isfunction(method) and not name.startswith("_")
]
# a block's source is that of its chapter; a table and a picture are what their functions return
WITH_SOURCE = [value for value in PUBLIC if inspect.isfunction(value) or issubclass(value, nn.Module)]
# bounds, which tests/test_blocks.py and tests/test_initialization.py check
BOUNDS = {"FixedHiddenMLP": {"1"}, "my_init": {"10"}}


def by_name(value):
    return value.__qualname__


def test_public_names_are_sorted_classes_first():
    def order(name):
        return not name.isupper(), not name[0].isupper(), name

    assert sorted(blockbook.__all__, key=order) == blockbook.__all__
    assert len(set(blockbook.__all__)) == len(blockbook.__all__)


def test_every_public_object_is_listed():
    defined = {name for name, value in vars(blockbook).items() if getattr(value, "__module__", "").startswith("block")}
    assert defined == set(blockbook.__all__)


def test_star_import_gives_the_public_names():
    names = {}
    exec("from blockbook import *", names)
    assert names.keys() - {"__builtins__"} == set(blockbook.__all__)


@pytest.mark.parametrize("value", PUBLIC + METHODS, ids=by_name)
def test_docstring_begins_with_a_sentence_and_has_an_example(value):
    assert value.__doc__.splitlines()[0].endswith((".", ":"))
    assert doctest.DocTestParser().get_examples(value.__doc__)


@pytest.mark.parametrize("value", PUBLIC + METHODS, ids=by_name)
def test_numbers_of_a_docstring_are_in_its_example_or_signature(value):
    without_source = re.sub(r"^Source:\n(?:    .*\n)+", "", inspect.getdoc(value), flags=re.MULTILINE)
    parts = doctest.DocTestParser().parse(without_source)
    said = "".join(part for part in parts if isinstance(part, str))
    shown = "".join(part.source + part.want for part in parts if isinstance(part, doctest.Example))
    uncovered = set(NUMBER.findall(said)) - set(NUMBER.findall(f"{shown} {inspect.signature(value)}"))
    assert uncovered == BOUNDS.get(value.__qualname__, set())


@pytest.mark.parametrize("value", WITH_SOURCE, ids=by_name)
def test_docstring_names_what_is_raised_and_its_source_in_this_order(value):
    sections = [line.strip() for line in inspect.getdoc(value).splitlines() if line in ("Shape:", "Raises:", "Source:")]
    assert sections[-2:] == ["Raises:", "Source:"]
    assert inspect.getdoc(value).index("Source:") < inspect.getdoc(value).index(">>>")


def test_package_imports_alone_in_a_fresh_process(tmp_path):
    code = "import blockbook, sys; print(len(blockbook.__all__), 'scipy' in sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{len(blockbook.__all__)} False\n"
