# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tokens of C, and which of them are in the bodies of functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

PATTERN = re.compile(
    r"""
    (?P<space>\s+|/\*.*?\*/|//[^\n]*|\\\n)
    |(?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
    |(?P<char>[uUL]?'(?:\\.|[^'\\\n])*')
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
    |(?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\#\#|.)
    """,
    re.VERBOSE | re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
CLOSING = {")": "(", "]": "[", "}": "{"}


class BadSource(Exception):
    """The text cannot be read as C."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(text: str) -> list[Token]:
    """All tokens but white space, comments and the preprocessor's lines."""
    found: list[Token] = []
    at = 0
    line_start = True
    while at < len(text):
        if line_start:
            directive = DIRECTIVE.match(text, at)
            if directive:
                at = _directive_end(text, directive)
                continue
        match = PATTERN.match(text, at)
        if match is None:
            raise BadSource(f"no token at offset {at}")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), at))
            line_start = False
        elif "\n" in match.group():
            line_start = True
        at = match.end()
    return found


def _directive_end(text: str, directive: re.Match[str]) -> int:
    """A comment that begins in a directive may end lines later."""
    opened = directive.group().rfind("/*")
    if opened < 0 or "*/" in directive.group()[opened:]:
        return directive.end()
    end = text.find("*/", directive.end())
    return len(text) if end < 0 else end + 2


def partners(found: list[Token]) -> dict[int, int]:
    """Both ways between the indexes of matching brackets."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for i, token in enumerate(found):
        if token.kind != "mark":
            continue
        if token.text in "([{":
            opened.append(i)
        elif token.text in CLOSING:
            if not opened or found[opened[-1]].text != CLOSING[token.text]:
                raise BadSource(f"'{token.text}' at offset {token.start} closes nothing")
            pairs[i] = opened.pop()
            pairs[pairs[i]] = i
    if opened:
        raise BadSource(f"'{found[opened[-1]].text}' at offset {found[opened[-1]].start} stays open")
    return pairs


def bodies(found: list[Token], pairs: dict[int, int]) -> list[tuple[int, int]]:
    """The first and last index of each function's body, with its braces."""
    result: list[tuple[int, int]] = []
    i = 0
    while i < len(found):
        if found[i].text in ("(", "["):
            i = pairs[i]
        elif found[i].text == "{":
            if i and found[i - 1].text == ")":
                result.append((i, pairs[i]))
            i = pairs[i]
        i += 1
    return result
