# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions of users and callers, which always come to an end.

The language has no loop, but a few nested lists can grow without bound; so each evaluation has a budget of
steps. Functions of ours are added: bytes, seconds, like and matches.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from ..errors import InputError, LibraryMissing, NotEvaluated, shortened
from .regexes import compiled
from .sizes import seconds_of, size_of

jmespath: Any = None
with suppress(ImportError):
    jmespath = importlib.import_module("jmespath")

_MAX_CHARACTERS = 1000
_MAX_DEPTH = 100
# Per object: a guest with 200 tags that are all compared takes 800.
_MAX_STEPS = 5000
# Characters of a text that count as one step.
_STRIDE = 16

NUMBERS = "Write a number between backquotes, such as `8`, and a size as bytes('8G')"

Tree = Mapping[str, Any]
_Function = TypeVar("_Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Token:
    """A part of an expression and its column, counted from 1."""

    kind: str
    value: Any
    column: int


@dataclass(frozen=True, eq=False)
class Parsed:
    """An expression as its tree, and the parts that it was read from."""

    text: str
    tree: Tree
    tokens: tuple[Token, ...]

    def evaluator(self) -> Callable[[object], Any]:
        """A function that returns the result for parsed JSON, and raises NotEvaluated where the expression
        does not suit it. It is for one thread.
        """
        interpreter = _interpreter_class()()

        def evaluate(value: object) -> Any:
            try:
                return interpreter.fresh().visit(self.tree, value)
            except jmespath.exceptions.JMESPathTypeError as error:
                raise _wrong_type(error) from None
            except InputError as error:
                raise NotEvaluated(f"{error.value!r} is not {error.expected}", hint=error.hint) from None
            except RecursionError:
                raise NotEvaluated("it is nested too deeply") from None
            except NotEvaluated:
                raise
            except (jmespath.exceptions.JMESPathError, TypeError, OverflowError, ValueError) as error:
                raise NotEvaluated(str(error)) from None

        return evaluate


def is_true(result: object) -> bool:
    """Whether a result counts as true in JMESPath: it is not null, false or empty."""
    return not (result is None or result is False or (isinstance(result, (str, list, dict)) and not result))


def invalid(
    text: str,
    problem: str,
    column: int | None = None,
    hint: str = "",
    expected: str = "a JMESPath expression",
) -> InputError:
    """The error for an expression, without its path."""
    where = f"column {column}: " if column is not None else ""
    return InputError("", text, f"{expected}: {where}{problem}", hint=hint)


def _wrong_type(error: Any) -> NotEvaluated:
    value = error.current_value
    shown = "null" if value is None else shortened(value)
    hint = "Replace null first, such as in not_null(pool, '')" if value is None else ""
    return NotEvaluated(f"{error.function_name}() does not accept {shown}", hint=hint)


def require(path: str) -> None:
    """Raises LibraryMissing where jmespath is not installed."""
    if jmespath is None:
        raise LibraryMissing(
            "the Python library jmespath is not installed",
            where=path,
            hint=f"Run {sys.executable} -m pip install jmespath",
        )


@lru_cache(maxsize=256)
def parsed(text: str) -> Parsed:
    """Raises InputError for what is no expression, with the column, and LibraryMissing."""
    require("")
    if len(text) > _MAX_CHARACTERS:
        raise InputError("", text, f"an expression of at most {_MAX_CHARACTERS} characters")
    if not text.strip():
        raise invalid(text, "it is empty", hint="Write one such as contains(tags, 'prod')")
    try:
        with warnings.catch_warnings():
            # Of texts between backquotes, which are deprecated.
            warnings.simplefilter("ignore")
            tokens = tuple(
                Token(token["type"], token["value"], token["start"] + 1)
                for token in jmespath.lexer.Lexer().tokenize(text)
            )
            tree = jmespath.parser.Parser().parse(text).parsed
    except jmespath.exceptions.IncompleteExpressionError:
        raise invalid(
            text, "it ends too early", len(text) + 1, "Complete it, and close each bracket and quote"
        ) from None
    except jmespath.exceptions.LexerError as error:
        raise _unknown_token(text, error) from None
    except jmespath.exceptions.ParseError as error:
        raise _unexpected(text, error) from None
    except (RecursionError, MemoryError):
        raise invalid(text, "it is nested too deeply") from None
    except ValueError as error:
        raise invalid(text, str(error)) from None
    if _depth(tree) > _MAX_DEPTH:
        raise invalid(text, f"it is nested more than {_MAX_DEPTH} deep")
    _check_functions(text, tree, tokens)
    return Parsed(text, tree, tokens)


def function_columns(tokens: tuple[Token, ...]) -> list[Token]:
    """The names of functions, in their order."""
    return [
        token
        for token, following in pairwise(tokens)
        if token.kind == "unquoted_identifier" and following.kind == "lparen"
    ]


def field_columns(tokens: tuple[Token, ...]) -> list[Token]:
    """The names of fields, in their order."""
    return [
        token
        for token, following in pairwise(tokens)
        if token.kind in ("unquoted_identifier", "quoted_identifier")
        and following.kind not in ("lparen", "colon")
    ]


def in_order(tree: Tree) -> list[Any]:
    """The children of a part, in the order in which they are written."""
    children = list(tree["children"])
    if tree["type"] == "filter_projection":
        left, right, condition = children
        return [left, condition, right]
    return [child for child in children if isinstance(child, Mapping)]


def _unknown_token(text: str, error: Any) -> InputError:
    column = error.lexer_position + 1
    value = str(error.lexer_value)
    if value == "=":
        return invalid(text, "unknown =", column, "Compare with ==")
    if str(error.message).startswith("Unclosed"):
        return invalid(text, f"the {value[:1]} is not closed", column, f"Close it with another {value[:1]}")
    return invalid(text, f"unknown {shortened(value)}", column)


def _unexpected(text: str, error: Any) -> InputError:
    column, kind, value = error.lex_position + 1, error.token_type, error.token_value
    hint = ""
    if kind == "NUMBER":
        hint = NUMBERS
    elif kind == "UNQUOTED_IDENTIFIER":
        words = {"and": "&&", "or": "||", "not": "!"}
        hint = (
            f"Write {words[value.lower()]} for {value}"
            if value.lower() in words
            else "Join conditions with && or ||, and write texts between single quotes"
        )
    elif kind == "EOF":
        return invalid(text, "it ends too early", column, "Complete it, and close each bracket")
    return invalid(text, f"unexpected {value}", column, hint)


def _depth(tree: Tree) -> int:
    deepest, stack = 0, [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        stack.extend((child, depth + 1) for child in node["children"] if isinstance(child, Mapping))
    return deepest


def _check_functions(text: str, tree: Tree, tokens: tuple[Token, ...]) -> None:
    """Unknown functions, and numbers of arguments that do not fit: the library finds them when it is late."""
    table = _functions_class().FUNCTION_TABLE
    names = iter(function_columns(tokens))
    # Children reversed: parts come in the order in which they are written.
    stack = [tree]
    while stack:
        node = stack.pop()
        stack.extend(reversed(in_order(node)))
        if node["type"] != "function_expression":
            continue
        name, column = node["value"], next(names).column
        if name not in table:
            raise invalid(text, f"unknown function {name}()", column, f"Known are {', '.join(sorted(table))}")
        signature = table[name]["signature"]
        given, wanted = len(node["children"]), len(signature)
        variadic = bool(signature) and signature[-1].get("variadic", False)
        if given < wanted or (given > wanted and not variadic):
            least = "at least " if variadic else ""
            raise invalid(
                text,
                f"{name}() takes {least}{wanted} argument{'' if wanted == 1 else 's'}, not {given}",
                column,
            )
        _check_constants(text, name, node["children"], column)


def _check_constants(text: str, name: str, arguments: list[Tree], column: int) -> None:
    """Sizes, times and regular expressions that are written out are checked before anything is selected."""
    readers: Mapping[str, Callable[[str], object]] = {
        "bytes": lambda value: size_of(value, ""),
        "seconds": lambda value: seconds_of(value, ""),
        "matches": compiled,
    }
    if name not in readers or arguments[-1]["type"] != "literal":
        return
    value = arguments[-1]["value"]
    try:
        if not isinstance(value, str):
            raise InputError("", value, "a text")
        readers[name](value)
    except InputError as error:
        problem = f"in {name}(), {shortened(value)} is not {error.expected}"
        raise invalid(text, problem, column, error.hint) from None


def _weight(value: object, most: int) -> int:
    """Steps that it takes to walk through a value; more than `most` are not counted to the end."""
    if isinstance(value, str):
        return 1 + len(value) // _STRIDE
    if not isinstance(value, (list, dict)):
        return 1
    steps, stack = 0, [value]
    while stack and steps <= most:
        part: Any = stack.pop()
        steps += 1
        if isinstance(part, str):
            steps += len(part) // _STRIDE
        elif isinstance(part, (list, dict)):
            steps += len(part) // _STRIDE
            stack.extend(list(part.values() if isinstance(part, dict) else part)[: most + 1])
    return steps


def _takes(*arguments: str) -> Callable[[_Function], _Function]:
    """Marks a function with the types of each argument, by which the library finds it."""

    def marked(function: _Function) -> _Function:
        vars(function)["signature"] = [{"types": types.split()} for types in arguments]
        return function

    return marked


@cache
def _functions_class() -> Any:
    """The functions of JMESPath, and ours. The library takes those whose names begin with _func_."""

    class Functions(jmespath.functions.Functions):  # type: ignore[misc]
        @_takes("string")
        def _func_bytes(self, text: str) -> int | None:
            return size_of(text, "bytes()")

        @_takes("string")
        def _func_seconds(self, text: str) -> float | None:
            return seconds_of(text, "seconds()")

        @_takes("string null", "string")
        def _func_like(self, text: str | None, pattern: str) -> bool:
            return text is not None and fnmatchcase(text, pattern)

        @_takes("string null", "string")
        def _func_matches(self, text: str | None, regex: str) -> bool:
            return text is not None and compiled(regex).match(text) is not None

    return Functions


class _Budget:
    """The steps that an evaluation may still take."""

    def __init__(self) -> None:
        self.left = 0

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise NotEvaluated(f"it takes more than {_MAX_STEPS} steps", hint="Simplify it")

    def take_weight(self, value: object, times: int = 1) -> None:
        self.take(_weight(value, self.left) * times)


def _comparing(name: str, compare: Callable[[Any, Any], Any], budget: _Budget) -> Callable[[Any, Any], Any]:
    def comparing(left: Any, right: Any) -> Any:
        if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
            budget.take_weight(left)
            budget.take_weight(right)
        if name not in ("eq", "ne") and isinstance(left, str) != isinstance(right, str):
            raise NotEvaluated(f"{shortened(left)} and {shortened(right)} cannot be compared", hint=NUMBERS)
        return compare(left, right)

    return comparing


@cache
def _interpreter_class() -> Any:
    class Interpreter(jmespath.visitor.TreeInterpreter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(jmespath.Options(custom_functions=_functions_class()()))
            self._budget = _Budget()
            self.COMPARATOR_FUNC = {
                name: _comparing(name, compare, self._budget)
                for name, compare in jmespath.visitor.TreeInterpreter.COMPARATOR_FUNC.items()
            }

        def fresh(self) -> Any:
            """The same with its whole budget."""
            self._budget.left = _MAX_STEPS
            return self

        def visit(self, node: Tree, *args: Any, **kwargs: Any) -> Any:
            self._budget.take(1)
            return super().visit(node, *args, **kwargs)

        def visit_flatten(self, node: Tree, value: Any) -> Any:
            result = super().visit_flatten(node, value)
            self._budget.take(len(result or ()))
            return result

        def visit_function_expression(self, node: Tree, value: Any) -> Any:
            arguments = [self.visit(child, value) for child in node["children"]]
            for argument in arguments:
                self._budget.take_weight(argument)
            if node["value"] == "join" and isinstance(arguments[1], list):
                self._budget.take_weight(arguments[0], len(arguments[1]))
            result = self._functions.call_function(node["value"], arguments)
            if isinstance(result, str):
                self._budget.take_weight(result)
            return result

    return Interpreter
