"""No place of the screen that takes Markdown is given text from outside but through ``ui.formats.plain``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(file for folder in ("ui", "pages") for file in (REPOSITORY / folder).rglob("*.py"))

TAKES_MARKDOWN = {
    "button", "caption", "checkbox", "date_input", "dialog", "download_button", "error", "expander", "file_uploader",
    "header", "info", "link_button", "markdown", "metric", "multiselect", "number_input", "page_link", "pills",
    "popover", "progress", "radio", "segmented_control", "selectbox", "slider", "spinner", "status", "subheader",
    "success", "tabs", "text_area", "text_input", "time_input", "title", "toast", "toggle", "update", "warning",
    "write",
}  # fmt: skip
ARGUMENTS = {"body", "delta", "help", "label", "text", "title", "value"}
"""Keyword arguments of these that are read as Markdown."""
NO_MARKDOWN = {("value", name) for name in ("text_input", "text_area", "number_input", "date_input", "time_input")} | {
    ("value", "checkbox")
}
MAKES_PLAIN = {
    "ago", "clock", "counted", "date_time", "diagnosis_for", "field_help", "forecast_sentence", "len", "login_label",
    "milliseconds", "number", "plain", "read_text", "step_label", "style", "thousands", "yes_or_no",
}  # fmt: skip
"""What returns text that is ours, numbers and times; ``plain`` makes it of any other."""
OURS = {
    "diagnosis.page", "item.label", "kind.secret_label", "page.title", "row.label", "section", "self.label",
    "span.label", "topic.text", "topic.title",
}  # fmt: skip
"""Words of the program that are read from its own tables: the help, the fields, the filters, the pages."""
NUMBERS = {"days", "id", "margin_percent"}
"""Attributes that are numbers."""


class Function:
    """A function, and what it gives each name in it."""

    def __init__(self, node: ast.FunctionDef, outer: Function | None, file: str) -> None:
        self.node = node
        self.file = file
        self.outer = outer
        self.parameters = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        self.given: dict[str, list[ast.expr]] = {}
        self.returned: list[ast.expr] = []
        for part in own_nodes(node):
            if isinstance(part, ast.Assign):
                for target in part.targets:
                    self._give(target, part.value)
            elif isinstance(part, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and part.value is not None:
                self._give(part.target, part.value)
            elif isinstance(part, ast.For | ast.comprehension):
                rows = part.iter.elts if isinstance(part.iter, ast.Tuple | ast.List) else [part.iter]
                for row in rows:
                    self._give(part.target, self._keys_of(row))
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "append":
                self._give(part.func.value, part.args[0])
            elif isinstance(part, ast.Return) and part.value is not None:
                self.returned.append(part.value)

    def _keys_of(self, rows: ast.expr) -> ast.expr:
        """In place of the items of a dictionary written out here, its keys, with something for the values."""
        if isinstance(rows, ast.Call) and isinstance(rows.func, ast.Attribute) and rows.func.attr == "items":
            named = self.given.get(getattr(rows.func.value, "id", ""), [])
            if named and isinstance(named[0], ast.Dict):
                return ast.Tuple([ast.Tuple([key for key in named[0].keys if key]), rows])
        return rows

    def _give(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name | ast.Attribute):
            name = target.id if isinstance(target, ast.Name) else f".{target.attr}"
            self.given.setdefault(name, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for each, its in zip(target.elts, value.elts, strict=True):
                self._give(each, its)
        elif isinstance(target, ast.Tuple):
            for each in target.elts:
                self._give(each, value)
        elif isinstance(target, ast.Starred):
            self._give(target.value, value)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, functions inside it aside."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield child
            yield from own_nodes(child)


class Screen:
    """All functions of the screen, and who is given what."""

    def __init__(self) -> None:
        self.places: list[tuple[str, ast.expr, Function | None]] = []
        self.functions: dict[str, list[Function]] = {}
        self.calls: dict[str, list[tuple[ast.Call, Function | None, str]]] = {}
        for file in FILES:
            self._read(ast.parse(file.read_text("utf-8")), file.relative_to(REPOSITORY).as_posix(), None)
        self._asked: set[tuple[str, int]] = set()

    def _read(self, node: ast.AST, where: str, inside: Function | None) -> None:
        for child in ast.iter_child_nodes(node):
            inner = inside
            if isinstance(child, ast.FunctionDef):
                inner = Function(child, inside, where)
                self.functions.setdefault(child.name, []).append(inner)
            elif isinstance(child, ast.Call):
                self._call(child, where, inside)
            self._read(child, where, inner)

    def _call(self, call: ast.Call, where: str, inside: Function | None) -> None:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        self.calls.setdefault(name, []).append((call, inside, where))
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if name not in TAKES_MARKDOWN or not isinstance(owner, ast.Name) or owner.id not in ("st", "status", "row"):
            return
        given = call.args[1 if name == "progress" else 0 : 2 if name in ("metric", "progress") else 1]
        given += [each.value for each in call.keywords if each.arg in ARGUMENTS and (each.arg, name) not in NO_MARKDOWN]
        for value in given:
            self.places.append((f"{where}:{value.lineno} {name}({ast.unparse(value)})", value, inside))

    def is_ours(self, value: ast.expr, inside: Function | None) -> bool:
        """Whether no text from outside can be in a value, but what went through ``plain``."""
        if isinstance(value, ast.Constant):
            return True
        if isinstance(value, ast.JoinedStr):
            return all(self._piece(part, inside) for part in value.values)
        if isinstance(value, ast.IfExp):
            return self.is_ours(value.body, inside) and self.is_ours(value.orelse, inside)
        if isinstance(value, ast.BoolOp | ast.Tuple | ast.List):
            parts = value.values if isinstance(value, ast.BoolOp) else value.elts
            return all(self.is_ours(part, inside) for part in parts)
        if isinstance(value, ast.BinOp):
            return self.is_ours(value.left, inside) and self.is_ours(value.right, inside)
        if isinstance(value, ast.ListComp | ast.GeneratorExp):
            return self.is_ours(value.elt, inside)
        if isinstance(value, ast.Subscript | ast.Starred | ast.NamedExpr):
            return self.is_ours(value.value, inside)
        if isinstance(value, ast.Call):
            return self._is_called_ours(value, inside)
        if isinstance(value, ast.Attribute):
            is_known = ast.unparse(value) in OURS or value.attr in NUMBERS or value.attr.isupper()
            return is_known or self._is_attribute_ours(f".{value.attr}")
        return isinstance(value, ast.Name) and self._is_name_ours(value.id, inside)

    def _piece(self, part: ast.expr, inside: Function | None) -> bool:
        if not isinstance(part, ast.FormattedValue):
            return True
        is_number_or_time = part.format_spec is not None  # nothing else is formatted so here
        return is_number_or_time or self.is_ours(part.value, inside)

    def _is_called_ours(self, call: ast.Call, inside: Function | None) -> bool:
        if isinstance(call.func, ast.Attribute):
            owner, name = call.func.value, call.func.attr
            if name in ("join", "lower", "upper", "strip", "replace", "splitlines", "items", "values", "format"):
                return self.is_ours(owner, inside) and all(self.is_ours(each, inside) for each in call.args)
            return name in MAKES_PLAIN
        name = getattr(call.func, "id", "")
        if name in ("list", "sorted", "str", "enumerate", "zip"):
            return all(self.is_ours(each, inside) for each in call.args)
        return name in MAKES_PLAIN or self._is_function_ours(name, inside)

    def _is_attribute_ours(self, name: str) -> bool:
        given = [
            (value, each) for every in self.functions.values() for each in every for value in each.given.get(name, [])
        ]
        return bool(given) and all(self.is_ours(value, function) for value, function in given)

    def _is_function_ours(self, name: str, caller: Function | None) -> bool:
        found = self.functions.get(name, [])
        found = [each for each in found if caller and each.file == caller.file] or found
        return bool(found) and all(
            each.returned and all(self.is_ours(value, each) for value in each.returned) for each in found
        )

    def _is_name_ours(self, name: str, inside: Function | None) -> bool:
        if name.strip("_").isupper() or name in OURS:
            return True  # a constant of a module
        while inside is not None:
            if name in inside.given:
                key = (name, id(inside))
                if key in self._asked:
                    return True  # it is added to itself
                self._asked.add(key)
                try:
                    return all(self.is_ours(value, inside) for value in inside.given[name])
                finally:
                    self._asked.discard(key)
            if name in inside.parameters:
                return self._is_parameter_ours(name, inside)
            inside = inside.outer
        return False

    def _is_parameter_ours(self, name: str, function: Function) -> bool:
        """Everybody who calls the function gives it words of ours."""
        called = self.calls.get(function.node.name, [])
        is_private = function.node.name.startswith("_")
        calls = [(call, caller) for call, caller, file in called if file == function.file or not is_private]
        args = function.node.args
        default = dict(zip(reversed([each.arg for each in args.args]), reversed(args.defaults), strict=False))
        default |= {each.arg: value for each, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value}
        for call, caller in calls:
            given = next((each.value for each in call.keywords if each.arg == name), None)
            place = function.parameters.index(name)
            if given is None and place < len(call.args):
                given = call.args[place]
            given = given or default.get(name)
            if given is None or not self.is_ours(given, caller):
                return False
        return bool(calls)


@pytest.fixture(scope="module")
def screen() -> Screen:
    return Screen()


def test_markdown_is_of_our_own_words_and_of_what_plain_made(screen: Screen) -> None:
    assert len(screen.places) > 200
    assert [where for where, value, inside in screen.places if not screen.is_ours(value, inside)] == []


def test_text_from_outside_is_seen(screen: Screen) -> None:
    for source, is_ours in {
        "st.error(str(error))": False,
        "st.markdown(f'**{server.name}**')": False,
        "st.markdown(f'**{plain(server.name)}**')": True,
        "st.caption(label)": False,
    }.items():
        (call,) = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)][:1]
        assert screen.is_ours(call.args[0], None) is is_ours, source
