"""Names in cells lead to their documentation: PyTorch's, Python's and ours.

sphinx-codeautolink does this too, but took as much time as all the rest of a build, goes by the dates
of files, and links variables as if they were their classes.

A name is followed as Python would, from an import or a builtin through assignments, classes of the page
and what is returned. What cannot be told has no link, so that no link is wrong.
"""

import ast
import builtins
import inspect
import re
import sys
import typing
from collections import ChainMap
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
from importlib import import_module
from itertools import accumulate
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.intersphinx import InventoryAdapter

# a coloured piece of code, or what stands between two
PIECE = re.compile(r"<span[^>]*>([^<]*)</span>|([^<]+)")
THIS_PAGE = "__page__"
UNKNOWN = object()


class Link(NamedTuple):
    """From where to where in a cell a documented name stands: lines and columns."""

    start: tuple[int, int]
    end: tuple[int, int]
    name: str


@dataclass(frozen=True)
class Thing:
    """What an expression stands for: an object that has a name, or some instance of a type."""

    value: Any = None
    name: str = ""
    type: Any = None
    # whose method it is
    owner: Any = None


class Reader(ast.NodeVisitor):
    """Reads the cells of a page in their order; visiting an expression returns what it stands for."""

    def __init__(self, documented: Container[str]) -> None:
        self.documented = documented
        self.scope = {name: Thing(value, name) for name, value in vars(builtins).items()}
        self.links: list[Link] = []
        self.undocumented: set[str] = set()
        self.page_class: type | None = None

    def read(self, source: str) -> list[Link]:
        self.links = []
        try:
            self.visit(ast.parse(source))
        except SyntaxError:
            self.links = []
        return self.links

    def note(self, node: ast.AST, names: list[str], length: int = 0) -> bool:
        """Note the place of a node, or of its last characters, under the first name that is documented."""
        end = node.end_lineno, node.end_col_offset
        start = (end[0], end[1] - length) if length else (node.lineno, node.col_offset)
        for name in names:
            if name in self.documented:
                self.links.append(Link(start, end, name))
                return True
        return False

    def note_import(self, node: ast.AST, thing: Thing) -> None:
        if not self.note(node, _names(thing)):
            self.undocumented.add(thing.name)

    def bind(self, target: ast.AST | None, thing: Thing | None = None) -> None:
        if isinstance(target, ast.Name):
            self.scope.pop(target.id, None)
            # a variable that holds a number has no documentation
            if thing and (thing.type or callable(thing.value) or inspect.ismodule(thing.value)):
                self.scope[target.id] = thing
        elif isinstance(target, ast.Tuple | ast.List):
            parts = typing.get_args(thing.type) if thing and typing.get_origin(thing.type) is tuple else ()
            for number, part in enumerate(target.elts):
                self.bind(part, Thing(type=parts[number]) if len(parts) == len(target.elts) else None)
        elif isinstance(target, ast.Starred):
            self.bind(target.value)
        elif isinstance(target, ast.Attribute):
            owner = self.visit(target.value)
            if thing and owner and getattr(owner.type, "__module__", "") == THIS_PAGE:
                setattr(owner.type, target.attr, thing)
        elif target:
            self.visit(target)

    def visit_inside(self, arguments: ast.arguments | None, *parts: ast.AST) -> None:
        """Visit what has names of its own."""
        outer, self.scope = self.scope, dict(self.scope)
        if arguments:
            names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            for number, argument in enumerate(filter(None, names)):
                self.scope.pop(argument.arg, None)
                if number == 0 and self.page_class:
                    self.scope[argument.arg] = Thing(type=self.page_class)
        page_class, self.page_class = self.page_class, None
        for part in parts:
            self.visit(part)
        self.scope, self.page_class = outer, page_class

    # expressions

    def visit_Name(self, node: ast.Name) -> Thing | None:
        thing = self.scope.get(node.id)
        if thing and thing.name:
            self.note_import(node, thing)
        return thing

    def visit_Attribute(self, node: ast.Attribute) -> Thing | None:
        known = len(self.links)
        owner = self.visit(node.value)
        if owner is None:
            return None
        if owner.name:
            # one link for all of a dotted name
            del self.links[known:]
            self.undocumented.discard(owner.name)
            thing = Thing(getattr(owner.value, node.attr, None), f"{owner.name}.{node.attr}")
            self.note_import(node, thing)
            return thing
        kind = typing.get_origin(owner.type) or owner.type
        if not isinstance(kind, type):
            return None
        for base in () if node.attr.startswith("_") else kind.__mro__:
            names = [*_names(Thing(base)), f"{base.__module__.partition('.')[0]}.{base.__qualname__}"]
            if self.note(node, [f"{name}.{node.attr}" for name in names], len(node.attr)):
                break
            if base.__module__ == THIS_PAGE and node.attr in vars(base):
                break
        return _member(kind, node.attr)

    def visit_Call(self, node: ast.Call) -> Thing | None:
        function = self.visit(node.func)
        arguments = [self.visit(argument) for argument in (*node.args, *node.keywords)]
        if function is None:
            return None
        if function.name in ("copy.copy", "copy.deepcopy"):
            return arguments[0] if arguments else None
        return _returned(function)

    def visit_keyword(self, node: ast.keyword) -> None:
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> Thing | None:
        thing = self.visit(node.value)
        self.visit(node.slice)
        if thing and _is(thing.type, "nn.Module"):
            return Thing(type=_torch("nn.Module"))
        return thing if thing and _is(thing.type, "Tensor") else None

    def _visit_operands(self, node: ast.expr) -> Thing | None:
        things = [self.visit(operand) for operand in ast.iter_child_nodes(node)]
        return next((thing for thing in things if thing and _is(thing.type, "Tensor")), None)

    visit_BinOp = visit_Compare = visit_UnaryOp = _visit_operands  # noqa: N815

    def visit_Constant(self, node: ast.Constant) -> Thing:
        return Thing(type=type(node.value))

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_inside(node.args, node.body)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.visit_For(node)

    def _visit_generators(self, node: Any) -> None:
        last = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        self.visit_inside(None, *node.generators, *last)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_generators  # noqa: N815

    # statements

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(alias, alias.name, alias.asname or alias.name.partition(".")[0], "")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._import(alias, f"{node.module}.{alias.name}", alias.asname or alias.name, node.module or "")

    def _import(self, alias: ast.alias, name: str, local: str, module: str) -> None:
        self.scope.pop(local, None)
        try:
            value = import_module(name)
        except ImportError:
            try:
                value = getattr(import_module(module), alias.name)
            except (AttributeError, ImportError, ValueError):
                return
        place = SimpleNamespace(lineno=alias.lineno, col_offset=alias.col_offset, end_lineno=alias.lineno)
        place.end_col_offset = alias.col_offset + len(alias.name)
        self.note_import(place, Thing(value, name))
        if not module and not alias.asname:
            name, value = local, import_module(local)
        self.scope[local] = Thing(value, name)

    def visit_Assign(self, node: ast.Assign) -> None:
        several = isinstance(node.value, ast.Tuple)
        things = [self.visit(value) for value in (node.value.elts if several else [node.value])]
        for target in node.targets:
            parts = target.elts if several and isinstance(target, ast.Tuple) else [target]
            for part, thing in zip(parts, things if len(parts) == len(things) else [None] * len(parts), strict=True):
                self.bind(part, thing)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Thing | None:
        thing = self.visit(node.value)
        self.bind(node.target, thing)
        return thing

    def visit_For(self, node: ast.For | ast.comprehension) -> None:
        thing = self.visit(node.iter)
        kinds = typing.get_args(thing.type) if thing and _iterates(typing.get_origin(thing.type)) else ()
        self.bind(node.target, Thing(type=kinds[0]) if kinds else None)
        for part in (*getattr(node, "ifs", ()), *getattr(node, "body", ()), *getattr(node, "orelse", ())):
            self.visit(part)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            self.bind(item.optional_vars)
        for part in node.body:
            self.visit(part)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type:
            self.visit(node.type)
        self.scope.pop(node.name or "", None)
        for part in node.body:
            self.visit(part)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.bind(target)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        self.scope.pop(node.name, None)
        page_class = self.page_class
        if node.decorator_list:
            # its first argument may be no object of the class
            self.page_class = None
        self.visit_inside(node.args, *node.body)
        self.page_class = page_class

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [thing.value for thing in map(self.visit, node.bases) if thing and inspect.isclass(thing.value)]
        methods = {part.name: Thing() for part in node.body if isinstance(part, ast.FunctionDef)}
        try:
            made = type(node.name, tuple(bases), {**methods, "__module__": THIS_PAGE})
        except Exception:  # a base may ask more of its heirs
            made = type(node.name, (), {**methods, "__module__": THIS_PAGE})
        self.scope[node.name] = Thing(made)
        outer, self.scope, self.page_class = self.scope, dict(self.scope), made
        for part in node.body:
            self.visit(part)
        self.scope, self.page_class = outer, None


def _torch(name: str) -> Any:
    """Return a class of torch, none as long as no page has imported it: that takes seconds."""
    torch = sys.modules.get("torch")
    return torch and attrgetter(name)(torch)


def _is(kind: Any, name: str) -> bool:
    return isinstance(kind, type) and bool(base := _torch(name)) and issubclass(kind, base)


def _iterates(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Iterable)


def _names(thing: Thing) -> list[str]:
    """Return what an object is called where it was imported from, and where it is defined."""
    value = type(thing.value) if _is(type(thing.value), "dtype") else thing.value
    names = [thing.name] if thing.name else []
    if inspect.isclass(value) or inspect.isfunction(value):
        names.append(f"{value.__module__}.{value.__qualname__}".removeprefix("builtins."))
    return names


def _member(kind: type, attribute: str) -> Thing | None:
    found = inspect.getattr_static(kind, attribute, None)
    if isinstance(found, Thing):
        return found
    if inspect.isroutine(found):
        return Thing(found, owner=kind)
    if _is(kind, "Tensor") and attribute in ("T", "data", "grad", "mT"):
        return Thing(type=_torch("Tensor"))
    if _is(kind, "nn.Module") and attribute in ("bias", "weight"):
        return Thing(type=_torch("nn.Parameter"))
    return None


def _returned(function: Thing) -> Thing | None:
    """Return what a call gives, as far as a class, a signature or an annotation tells."""
    if inspect.isclass(function.value):
        return Thing(type=function.value)
    if function.type:
        return Thing(type=_torch("Tensor")) if _is(function.type, "nn.Module") else None
    if not inspect.isroutine(function.value):
        return None
    hint = _return_type(function.value)
    if hint is None and _is(function.owner, "Tensor"):
        hint = _torch("Tensor")
    if hint is typing.Self or isinstance(hint, typing.TypeVar):
        hint = function.owner
    return Thing(type=hint) if hint else None


@cache
def _return_type(function: Any) -> Any:
    """Return what a function says it returns, in an annotation or, as PyTorch's do, in its docstring."""
    signature, *_ = (function.__doc__ or "").strip().split("\n", 1)
    if "->" in signature:
        return _torch("Tensor") if signature.endswith("-> Tensor") else UNKNOWN
    try:
        return typing.get_type_hints(function).get("return")
    except Exception:  # what an annotation names may not be there
        return None


@cache
def find_places(app: Sphinx) -> dict[str, str]:
    """Return the addresses of all that is documented elsewhere, by name."""
    inventory = InventoryAdapter(app.env).main_inventory
    roles = [inventory[role] for role in sorted(inventory) if role.startswith("py:")]
    return {name: item.uri for entries in roles for name, item in entries.items()}


def cell_inputs(doctree: nodes.document) -> Iterator[tuple[nodes.literal_block, bool]]:
    """Yield the code of each cell, and whether it is folded."""
    for cell in doctree.findall(nodes.container):
        if "cell_input" in cell["classes"]:
            folded = cell.parent.tagname == "HideCodeCellNode"
            yield from ((block, folded) for block in cell.findall(nodes.literal_block))


def find_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if not (blocks := list(cell_inputs(doctree))):
        return
    ours = {
        # all on one page, an address has an anchor already
        name: f"{app.builder.get_relative_uri(docname, entry.docname).partition('#')[0]}#{entry.node_id}"
        for name, entry in app.env.domains.python_domain.objects.items()
    }
    places = ChainMap(ours, find_places(app))
    reader, seen = Reader(places), set()
    for block, folded in blocks:
        block["links"] = links = []
        for link in reader.read(block.astext()):
            # the keyboard stops once at each name, not at each of its places
            again = (link.name, False) in seen or (link.name, folded) in seen
            seen.add((link.name, folded))
            links.append((link.start, link.end, places[link.name], again))


def add_links(page: str, source: str, links: list[tuple[tuple[int, int], tuple[int, int], str, bool]]) -> str:
    """Put links into highlighted code, around whole pieces of it."""
    head, rest = page.split("<pre>", 1)
    code, tail = rest.rsplit("</pre>", 1)
    pieces = [(piece[0], unescape(piece[1] or piece[2] or "")) for piece in PIECE.finditer(code)]
    ends = list(accumulate(len(text) for _, text in pieces))
    if "".join(text for _, text in pieces).rstrip() != source.rstrip():
        return page
    lines = list(accumulate(map(len, source.splitlines(keepends=True)), initial=0))
    opened, closed = {}, set()
    for (line, column), (end_line, end_column), address, again in links:
        start, end = lines[line - 1] + column, lines[end_line - 1] + end_column
        if {start, end} <= {0, *ends}:
            skipped = ' tabindex="-1"' if again else ""
            opened[start] = f'<a class="name" href="{escape(address)}"{skipped}>'
            closed.add(end)
    result = ""
    for (piece, text), end in zip(pieces, ends, strict=True):
        if text:
            piece = opened.get(end - len(text), "") + piece + ("</a>" if end in closed else "")
        result += piece
    return f"{head}<pre>{result}</pre>{tail}"


def link_highlighted(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    highlight = app.builder.highlighter.highlight_block

    def linked(source: str, *arguments: Any, location: Any = None, **options: Any) -> str:
        page = highlight(source, *arguments, location=location, **options)
        links = location.get("links") if isinstance(location, nodes.Element) else None
        return add_links(page, source, links) if links else page

    app.builder.highlighter.highlight_block = linked


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.intersphinx")
    app.connect("builder-inited", link_highlighted, priority=900)
    app.connect("doctree-resolved", find_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
