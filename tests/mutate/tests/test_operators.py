#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""What the operators change in C and in Python, and what they leave alone."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutate.c_operators import c_edits  # noqa: E402
from mutate.c_tokens import BadSource, tokens  # noqa: E402
from mutate.mutant import mutant_of  # noqa: E402
from mutate.python_operators import python_edits  # noqa: E402


def c_lines(body: str) -> set[tuple[str, str]]:
    """Operators and changed lines of a function with this body."""
    text = "int f(int a, int b)\n{\n" + body + "\n}\n"
    found = [mutant_of("f.c", text, edit) for edit in c_edits(text)]
    return {(mutant.edit.operator, mutant.after.strip()) for mutant in found}


def python_lines(body: str) -> set[tuple[str, str]]:
    text = "def f(a, b):\n" + body + "\n"
    found = [mutant_of("f.py", text, edit) for edit in python_edits(text)]
    return {(mutant.edit.operator, mutant.after.strip()) for mutant in found}


class Tokens(unittest.TestCase):
    def test_skipped(self) -> None:
        text = '#define A(x) \\\n\t(x + 1) /* and\n more */\nint a; // b\nchar *s = "/* \\" */";\n'
        self.assertEqual([token.text for token in tokens(text)],
                         ["int", "a", ";", "char", "*", "s", "=", '"/* \\" */"', ";"])

    def test_longest(self) -> None:
        self.assertEqual([token.text for token in tokens("a<<=b->c++ - 0x1fULL")],
                         ["a", "<<=", "b", "->", "c", "++", "-", "0x1fULL"])

    def test_brackets(self) -> None:
        for text in ("int f(void) { (1]; }", "int f(void) {", "}"):
            self.assertRaises(BadSource, c_edits, text)


class InC(unittest.TestCase):
    def test_relation(self) -> None:
        self.assertIn(("relation", "return a <= b;"), c_lines("\treturn a < b;"))
        self.assertIn(("relation", "return a != b;"), c_lines("\treturn a == b;"))

    def test_logic(self) -> None:
        self.assertIn(("logic", "return a || b;"), c_lines("\treturn a && b;"))

    def test_shift(self) -> None:
        self.assertIn(("shift", "return a >> b;"), c_lines("\treturn a << b;"))
        self.assertIn(("shift", "a >>= b;"), c_lines("\ta <<= b;"))

    def test_unary(self) -> None:
        """Neither addresses nor pointers are arithmetic."""
        found = c_lines("\tint *p = &a;\n\n\tg(-b, (char *)p, *p);")
        self.assertNotIn("arithmetic", {operator for operator, _ in found})

    def test_conditions(self) -> None:
        found = c_lines("\tif (a && g(b))\n\t\ta = 1;\n\twhile (b)\n\t\tb--;")
        for expected in (("negate", "if (!(a && g(b)))"), ("unchecked", "if (0 && (a && g(b)))"),
                         ("negate", "while (!(b))"), ("step", "b++;")):
            self.assertIn(expected, found)

    def test_constants(self) -> None:
        found = c_lines("\tuint64_t room[4];\n\tchar text[8] = { 0 };\n\n\treturn room[2] + 010;")
        self.assertEqual({line for operator, line in found if operator == "constant"},
                         {"return room[3] + 010;", "return room[1] + 010;", "return room[2] + 9;",
                          "return room[2] + 7;", "char text[8] = { 1 };"})

    def test_dimensions(self) -> None:
        found = c_lines("\tchar text[SIZE + 64], more[2][3];\n\tstruct s *t = &list[a + 1];\n\n\treturn text[a + b];")
        self.assertEqual({line for operator, line in found if operator in ("arithmetic", "constant")},
                         {"struct s *t = &list[a - 1];", "struct s *t = &list[a + 2];",
                          "struct s *t = &list[a + 0];", "return text[a - b];"})

    def test_errors(self) -> None:
        self.assertIn(("errno", "return EXDEV;"), c_lines("\treturn EINVAL;"))
        self.assertEqual({line for operator, line in c_lines("\tg(EOF, ERR(a), E);")
                          if operator == "errno"}, set())

    def test_results(self) -> None:
        self.assertIn(("result", "return 0;"), c_lines("\treturn g(a);"))
        self.assertIn(("result", "return false;"), c_lines("\treturn true;"))

    def test_statements(self) -> None:
        found = c_lines("\tint c = g(a);\n\tstruct s *d = g(b);\n\tu64 *e = g(c);\n\n\tg(a);\n"
                        "\tfor (;;) {\n\t\tif (a)\n\t\t\tbreak;\n\t\td->x[a] = (struct s){ 1 };\n\t}\n"
                        "out:\n\tb++;")
        self.assertEqual({operator for operator, line in found if line == ";"}, {"omit", "jump"})
        omitted = [edit for edit in c_edits("int f(void)\n{\n\tint c = g();\n\tg();\nout:\n\ta++;\n}\n")
                   if edit.operator == "omit"]
        self.assertEqual(len(omitted), 2)

    def test_outside(self) -> None:
        """Only bodies of functions: tables and macros are data."""
        self.assertEqual(c_edits("#define A (1 + 2)\nstatic int a[] = { 1, 2 };\nint b = 1 < 2;\n"), [])

    def test_lines(self) -> None:
        text = "int f(void)\n{\n\tg(1,\n\t  2);\n}\n"
        omit = [edit for edit in c_edits(text) if edit.operator == "omit"][0]
        mutant = mutant_of("f.c", text, omit)
        self.assertEqual((mutant.line, mutant.before, mutant.after), (3, "\tg(1,\n\t  2);", "\t;"))
        self.assertEqual(mutant.key, ("f.c", "g(1, 2);", ";"))
        self.assertEqual(mutant.diff(), "-\tg(1,\n-\t  2);\n+\t;")


class InPython(unittest.TestCase):
    def test_expressions(self) -> None:
        found = python_lines("    return a < b and a + 1 is not None")
        for expected in (("relation", "return a <= b and a + 1 is not None"),
                         ("relation", "return a < b and a + 1 is None"),
                         ("logic", "return a < b or a + 1 is not None"),
                         ("arithmetic", "return a < b and a - 1 is not None"),
                         ("constant", "return a < b and a + 2 is not None"), ("result", "return None")):
            self.assertIn(expected, found)

    def test_statements(self) -> None:
        found = python_lines('    """Text."""\n    if a:\n        raise g(errno.EINVAL)\n    b = "\u00e4" + g(a)')
        for expected in (("negate", "if not (a):"), ("unchecked", "if False and (a):"),
                         ("errno", "raise g(errno.EXDEV)"), ("omit", "pass"),
                         ("arithmetic", 'b = "\u00e4" - g(a)')):
            self.assertIn(expected, found)

    def test_left_alone(self) -> None:
        self.assertEqual(python_edits('LIMIT = 1 << 3\n\n\nclass A:\n    """Text."""\n    x: int = 3\n'), [])
        self.assertEqual(python_lines('    """Text of 1."""\n    c: "1 + 2"'), set())


if __name__ == "__main__":
    unittest.main()
