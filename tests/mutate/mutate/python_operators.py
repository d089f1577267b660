# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Operators on Python, by its own parser."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .mutant import Edit

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}
BINARY: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.BitAnd: "|", ast.BitOr: "&",
    ast.LShift: ">>", ast.RShift: "<<", ast.Mod: "*",
}


class Places:
    """Offsets in the text of what the parser numbers by line and byte."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def _at(self, line: int, column: int) -> int:
        before = self.lines[line - 1].encode()[:column].decode()
        return self.starts[line - 1] + len(before)

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def of(self, node: ast.expr | ast.stmt) -> str:
        return self.text[self.start(node) : self.end(node)]

    def between(self, operator: str, left: ast.expr, right: ast.expr, new: str) -> Iterator[Edit]:
        """Replace the words between two operands."""
        start, end = self.end(left), self.start(right)
        words = self.text[start:end]
        if "(" in words or ")" in words or "#" in words:
            return
        yield Edit(operator, start, end, f" {new} ")


def _expressions(places: Places, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        for i, relation in enumerate(node.ops):
            new = COMPARISONS[type(relation)]
            yield from places.between("relation", operands[i], operands[i + 1], new)
    elif isinstance(node, ast.BoolOp):
        new = "or" if isinstance(node.op, ast.And) else "and"
        for left, right in zip(node.values, node.values[1:]):
            yield from places.between("logic", left, right, new)
    elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        operator = "shift" if isinstance(node.op, (ast.LShift, ast.RShift)) else "arithmetic"
        yield from places.between(operator, node.left, node.right, BINARY[type(node.op)])
    elif isinstance(node, ast.Constant):
        yield from _constants(places, node)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "errno" and node.attr.isupper():
            yield Edit("errno", places.start(node), places.end(node), "errno.EXDEV")


def _constants(places: Places, node: ast.Constant) -> Iterator[Edit]:
    start, end = places.start(node), places.end(node)
    if isinstance(node.value, bool):
        yield Edit("constant", start, end, str(not node.value))
    elif isinstance(node.value, int):
        yield Edit("constant", start, end, str(node.value + 1))
        if node.value:
            yield Edit("constant", start, end, str(node.value - 1))


def _statements(places: Places, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        start, end = places.start(node.test), places.end(node.test)
        test = places.text[start:end]
        yield Edit("negate", start, end, f"not ({test})")
        if isinstance(node, ast.If):
            yield Edit("unchecked", start, end, f"False and ({test})")
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield Edit("result", places.start(node.value), places.end(node.value), "None")
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Raise)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield Edit("omit", places.start(node), places.end(node), "pass")


def _in_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes of functions' bodies, without annotations and texts of documentation."""
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for statement in function.body:
                yield from _code(statement)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.JoinedStr)):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def python_edits(text: str) -> list[Edit]:
    """All edits of the text, in the order of their places."""
    places = Places(text)
    found: set[Edit] = set()
    for node in _in_functions(ast.parse(text)):
        found.update(_expressions(places, node))
        found.update(_statements(places, node))
    return sorted(found, key=lambda edit: (edit.start, edit.end, edit.new))
