# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an expression suits the fields of what it is asked about.

JMESPath returns null for a field that does not exist, so a misspelt name would silently select nothing. The
type hints of the dataclasses say which fields there are.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ..codec import Pattern, hints_of, json_name
from ..errors import InputError
from .expressions import NUMBERS, Parsed, Token, Tree, field_columns, function_columns, in_order, invalid
from .nearest import nearest
from .regexes import compiled

_SCALARS = {str: "text", int: "number", float: "number", bool: "true or false"}


@dataclass(frozen=True)
class Shape:
    """What is known of a value: `kind` is object, map, list, text, number, true or false, or any.

    `fields`: of an object, their hints. `item`: the hint of the items of a list or a map. `keys`: the pattern
    of a map's keys. `choices`: all texts that there may be. `root`: it is the guest or host itself.
    """

    kind: str
    fields: Mapping[str, Any] | None = None
    item: Any = None
    keys: Pattern | None = None
    choices: tuple[str, ...] = ()
    root: bool = False


ANY = Shape("any")


def fields_of(cls: type) -> dict[str, Any]:
    """The fields of a dataclass by their names in JSON, with their hints."""
    hints = hints_of(cls)
    return {json_name(field): hints[field.name] for field in fields(cls)}


def shape_of(hint: Any) -> Shape:
    origin = get_origin(hint)
    if isinstance(hint, Shape):
        return hint
    if origin is Annotated:
        return shape_of(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        others = [part for part in get_args(hint) if part is not type(None)]
        return shape_of(others[0]) if len(others) == 1 else ANY
    if origin is Literal:
        return Shape("text", choices=get_args(hint))
    if origin is tuple:
        return Shape("list", item=get_args(hint)[0])
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = get_args(hint)
        patterns = [note for note in get_args(key) if isinstance(note, Pattern)]
        return Shape("map", item=item, keys=patterns[0] if patterns else None)
    if is_dataclass(hint):
        return Shape("object", fields=fields_of(hint))  # type: ignore[arg-type]
    return Shape(_SCALARS[hint]) if hint in _SCALARS else ANY


class FieldCheck:
    """One walk through an expression, in the order in which it is written."""

    def __init__(self, expression: Parsed, what: str, known: Mapping[str, Any]) -> None:
        self._text = expression.text
        self._what = what
        self._root = Shape("object", fields=known, root=True)
        self._fields: Iterator[Token] = iter(field_columns(expression.tokens))
        self._functions: Iterator[Token] = iter(function_columns(expression.tokens))
        self._column = 1
        self.reads: set[str] = set()
        self._used(self._walk(expression.tree, self._root))

    def _walk(self, node: Tree, here: Shape) -> Shape:
        walk = getattr(self, f"_{node['type']}", None)
        if walk is not None:
            result: Shape = walk(node, here)
            return result
        for child in in_order(node):
            self._used(self._walk(child, here))
        return ANY

    def _used(self, shape: Shape) -> Shape:
        """A value that is read as a whole."""
        if shape.root and shape.fields:
            self.reads |= set(shape.fields)
        return shape

    def _field(self, node: Tree, here: Shape) -> Shape:
        name = node["value"]
        self._column = next(self._fields).column
        if here.kind == "object" and here.fields is not None:
            if name not in here.fields:
                raise self._no_field(name, here)
            if here.root:
                self.reads.add(name)
            return shape_of(here.fields[name])
        if here.kind == "map":
            if here.keys is not None and not compiled(here.keys.regex).fullmatch(name):
                raise self._invalid(f"{name!r} is not {here.keys.expected}")
            return shape_of(here.item)
        if here.kind == "list":
            raise self._invalid(
                f"{name} is asked of a list", f"Write [].{name}, or [?…] with a condition, after the list"
            )
        if here.kind != "any":
            raise self._invalid(f"a {here.kind} has no field {name}", f"Write a text as '{name}'")
        return ANY

    def _no_field(self, name: str, here: Shape) -> InputError:
        close = nearest(name, here.fields or ())
        hint = f"Did you mean {close}?" if close else f"Known are {', '.join(sorted(here.fields or ()))}"
        return self._invalid(f"there is no field {name}", hint)

    def _current(self, _node: Tree, here: Shape) -> Shape:
        return here

    _identity = _current

    def _literal(self, node: Tree, _here: Shape) -> Shape:
        value = node["value"]
        if isinstance(value, str):
            return Shape("text")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return Shape("number")
        return ANY

    def _subexpression(self, node: Tree, here: Shape) -> Shape:
        for child in node["children"]:
            here = self._walk(child, here)
        return here

    _index_expression = _subexpression
    _pipe = _subexpression

    def _index(self, _node: Tree, here: Shape) -> Shape:
        return self._item(here)

    def _slice(self, _node: Tree, here: Shape) -> Shape:
        return here

    def _item(self, shape: Shape) -> Shape:
        return shape_of(shape.item) if shape.kind == "list" else ANY

    def _projection(self, node: Tree, here: Shape) -> Shape:
        left, right = node["children"]
        return Shape("list", item=self._walk(right, self._item(self._walk(left, here))))

    def _filter_projection(self, node: Tree, here: Shape) -> Shape:
        left, right, condition = node["children"]
        item = self._item(self._walk(left, here))
        self._used(self._walk(condition, item))
        return Shape("list", item=self._walk(right, item))

    def _value_projection(self, node: Tree, here: Shape) -> Shape:
        left, right = node["children"]
        base = self._used(self._walk(left, here))
        item = shape_of(base.item) if base.kind == "map" else ANY
        return Shape("list", item=self._walk(right, item))

    def _flatten(self, node: Tree, here: Shape) -> Shape:
        base = self._walk(node["children"][0], here)
        inner = self._item(base)
        return inner if inner.kind == "list" else base

    def _comparator(self, node: Tree, here: Shape) -> Shape:
        left, right = (self._used(self._walk(child, here)) for child in node["children"])
        literals = [child for child in node["children"] if child["type"] == "literal"]
        kinds = {left.kind, right.kind}
        if kinds == {"number", "text"}:
            raise self._invalid("a number and a text are compared", NUMBERS)
        if literals and "list" in kinds and kinds & {"text", "number"}:
            raise self._invalid("a list and a single value are compared", "Use contains(LIST, VALUE)")
        for choices in (left.choices, right.choices):
            for literal in literals if choices else ():
                value = literal["value"]
                if isinstance(value, str) and value not in choices:
                    raise self._invalid(f"{value!r} is not one of {', '.join(choices)}")
        return Shape("true or false")

    def _either(self, node: Tree, here: Shape) -> Shape:
        left, right = (self._used(self._walk(child, here)) for child in node["children"])
        return left if left == right else ANY

    _or_expression = _either
    _and_expression = _either

    def _function_expression(self, node: Tree, here: Shape) -> Shape:
        self._column = next(self._functions).column
        name, arguments = node["value"], node["children"]
        shapes: list[Shape] = []
        for child in arguments:
            if child["type"] == "expref":
                # Of map, the list comes last, so that nothing is known of its items yet.
                item = self._item(shapes[0]) if shapes else ANY
                self._used(self._walk(child["children"][0], item))
                shapes.append(ANY)
            else:
                shapes.append(self._used(self._walk(child, here)))
        if name in ("sort", "sort_by", "reverse"):
            return shapes[0]
        return self._item(shapes[0]) if name in ("max_by", "min_by") else ANY

    def _invalid(self, problem: str, hint: str = "") -> InputError:
        expected = f"an expression that can select a {self._what}"
        return invalid(self._text, problem, self._column, hint, expected)


def fields_read(expression: Parsed, what: str, known: Mapping[str, Any]) -> frozenset[str]:
    """The fields of a `what` (such as guest) that an expression reads, of those that are known, with their
    hints.

    Raises InputError for a field that there is not, and for a comparison that never holds.
    """
    return frozenset(FieldCheck(expression, what, known).reads)
