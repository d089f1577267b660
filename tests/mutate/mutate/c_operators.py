# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Operators on C: each yields all of its edits of a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .c_tokens import Token, bodies, partners, tokens
from .mutant import Edit

RELATIONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LOGIC = {"&&": "||", "||": "&&"}
SHIFTS = {"<<": ">>", ">>": "<<", "<<=": ">>=", ">>=": "<<="}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "&": "|", "|": "&", "^": "|"}
ASSIGNMENTS = {"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "^=": "|=", "*=": "/=", "/=": "*="}
STEPS = {"++": "--", "--": "++"}
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)\Z")
ERRNO = re.compile(r"E[A-Z0-9]{2,}\Z")
NOT_ERRNO = frozenset({"EOF"})
CONTROL = frozenset(
    "break case continue default do else for goto if return sizeof switch while".split())
TYPES = frozenset(
    "auto bool char const double enum extern float inline int long register short signed size_t"
    " ssize_t static struct typedef union unsigned void volatile".split())
# of these, a missing call does not change what a test could see
SILENT_CALLS = frozenset({"static_assert", "_Static_assert"})


@dataclass
class Source:
    text: str
    all: list[Token]
    pairs: dict[int, int]
    body: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str) -> Source:
        found = tokens(text)
        pairs = partners(found)
        return cls(text, found, pairs, bodies(found, pairs))

    def inside(self) -> Iterator[int]:
        for first, last in self.body:
            yield from range(first + 1, last)

    def spaced(self, i: int) -> bool:
        """White space around a binary operator, none after a unary one: the style of the project."""
        token = self.all[i]
        return self.text[token.start - 1].isspace() and self.text[token.end].isspace()

    def starts_statement(self, i: int) -> bool:
        before = self.all[i - 1].text
        if before in ("{", "}", ";", "else", "do"):
            return True
        if before == ":":
            # after "case X:" and "label:", not in "a ? b : c"
            return self.text.rfind("\n", self.all[i - 1].end, self.all[i].start) >= 0 and (
                "?" not in self._line_before(i)
            )
        if before != ")":
            return False
        head = self.pairs[i - 1] - 1
        return self.all[head].text in ("if", "while", "for", "switch")

    def _line_before(self, i: int) -> str:
        end = self.all[i - 1].end
        return self.text[self.text.rfind("\n", 0, end) + 1 : end]

    def statement_end(self, i: int) -> int | None:
        """The index of the semicolon of the statement that starts at i."""
        while i < len(self.all):
            text = self.all[i].text
            if text in ("(", "["):
                i = self.pairs[i]
            elif text == "{":
                # an initializer or a compound literal
                i = self.pairs[i]
            elif text == ";":
                return i
            elif text in ("}", ")", "]"):
                return None
            i += 1
        return None


def _is_dimension(source: Source, i: int) -> bool:
    """In the brackets of a declaration, before the values: a larger array is the same to a test."""
    first = i
    opened = False
    while not source.starts_statement(first):
        first -= 1
        text = source.all[first].text
        if text in (")", "]"):
            first = source.pairs[first]
        elif text == "[":
            opened = True
        elif text == "=":
            return False
    word = source.all[first]
    if not opened or word.text in CONTROL:
        return False
    return word.text in TYPES or source.all[first + 1].kind == "name"


def replaced(operator: str, by: dict[str, str], spaced: bool) -> Callable[[Source], Iterator[Edit]]:
    def edits(source: Source) -> Iterator[Edit]:
        for i in source.inside():
            token = source.all[i]
            if token.kind != "mark" or token.text not in by or spaced and not source.spaced(i):
                continue
            if _is_dimension(source, i):
                continue
            yield Edit(operator, token.start, token.end, by[token.text])

    return edits


def conditions(source: Source) -> Iterator[Edit]:
    """Negated conditions, and checks that are never true."""
    for i in source.inside():
        if source.all[i].text not in ("if", "while") or source.all[i + 1].text != "(":
            continue
        start = source.all[i + 1].end
        end = source.all[source.pairs[i + 1]].start
        condition = source.text[start:end]
        yield Edit("negate", start, end, f"!({condition})")
        if source.all[i].text == "if":
            yield Edit("unchecked", start, end, f"0 && ({condition})")


def constants(source: Source) -> Iterator[Edit]:
    for i in source.inside():
        token = source.all[i]
        match = NUMBER.match(token.text) if token.kind == "number" else None
        if match is None or _is_dimension(source, i):
            continue
        value = int(match.group(1), 0) if match.group(1) == "0" or match.group(1)[0] != "0" or (
            match.group(1)[1] in "xX"
        ) else int(match.group(1), 8)
        for new in (value + 1, value - 1):
            if new >= 0:
                yield Edit("constant", token.start, token.end, f"{new}{match.group(2)}")


def errors(source: Source) -> Iterator[Edit]:
    """Another error than the documented one."""
    for i in source.inside():
        token = source.all[i]
        if token.kind != "name" or not ERRNO.match(token.text) or token.text in NOT_ERRNO:
            continue
        if source.all[i + 1].text == "(":
            continue
        yield Edit("errno", token.start, token.end, "EXDEV" if token.text != "EXDEV" else "EDOM")


RESULTS = {"0": "1", "1": "0", "-1": "0", "true": "false", "false": "true"}


def results(source: Source) -> Iterator[Edit]:
    for i in source.inside():
        if source.all[i].text != "return":
            continue
        end = source.statement_end(i)
        if end is None or end == i + 1:
            continue
        start, stop = source.all[i + 1].start, source.all[end].start
        value = source.text[start:stop]
        if value in ("NULL", "0"):
            # other values than 0 and NULL are a matter of the operator for constants
            continue
        new = RESULTS.get(value, "0")
        yield Edit("result", start, stop, new)


def statements(source: Source) -> Iterator[Edit]:
    """Statements that are left out: calls, assignments, steps, jumps."""
    for i in source.inside():
        first = source.all[i]
        if not source.starts_statement(i):
            continue
        end = source.statement_end(i)
        if end is None:
            continue
        if first.text in ("break", "continue", "goto"):
            yield Edit("jump", first.start, source.all[end].end, ";")
            continue
        if first.text in CONTROL | TYPES | SILENT_CALLS | {"{", "}", ";"}:
            continue
        if source.all[i + 1].text == ":":
            # a label
            continue
        if not _has_effect(source, i, end) or _is_declaration(source, i):
            continue
        yield Edit("omit", first.start, source.all[end].end, ";")


def _has_effect(source: Source, i: int, end: int) -> bool:
    texts = {token.text for token in source.all[i:end]}
    return bool(texts & {"=", "(", "++", "--"} or texts & set(ASSIGNMENTS) or texts & set(SHIFTS))


def _is_declaration(source: Source, i: int) -> bool:
    """Of a type that is a name, as in "uint64_t size = 0"."""
    j = i + 1
    while source.all[j].text == "*":
        j += 1
    if source.all[i].kind != "name" or source.all[j].kind != "name":
        return False
    return source.all[i + 1].kind == "name" or source.text[source.all[j].start - 1] == "*"


OPERATORS: tuple[Callable[[Source], Iterator[Edit]], ...] = (
    replaced("relation", RELATIONS, True),
    replaced("logic", LOGIC, True),
    replaced("shift", SHIFTS, True),
    replaced("arithmetic", ARITHMETIC, True),
    replaced("assignment", ASSIGNMENTS, True),
    replaced("step", STEPS, False),
    conditions,
    constants,
    errors,
    results,
    statements,
)


def c_edits(text: str) -> list[Edit]:
    """All edits of the text, in the order of their places."""
    source = Source.of(text)
    found = [edit for operator in OPERATORS for edit in operator(source)]
    unique = {(edit.start, edit.end, edit.new): edit for edit in found}
    return sorted(unique.values(), key=lambda edit: (edit.start, edit.end, edit.new))
