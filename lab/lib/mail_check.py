# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Check each mail of the kernel series: subject, text, sign-off, and checkpatch --strict.

usage: mail_check.py LINUX EXCEPTIONS SENDER MAIL
Prints "pass NAME" or "fail NAME (reason)" lines. A line of EXCEPTIONS is
TYPE | SUBJECT-GLOB | REASON; one that no mail needs is a failure.
"""

import email
import email.policy
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

TRAILER = re.compile(r"[A-Z][a-z]+(-[a-z]+)*: .*")
# verbs that end like a participle or a third person
VERBS = {"Address", "Bring", "Discuss", "Embed", "Feed", "Need", "Pass", "Process", "Seed"}
EXCEPTIONS: list[tuple[str, str]] = []
USED: set[tuple[str, str]] = set()


def subject_problem(subject: str) -> str:
    head, _, rest = subject.rpartition(": ")
    verb = rest.split(" ")[0]
    if len(subject) > 75:
        return f"subject has {len(subject)} columns"
    if not head or not re.fullmatch(r"[A-Z][a-z]+", verb):
        return "subject is not 'subsystem: Verb ...'"
    if verb in ("A", "An", "No", "The") or (
        verb not in VERBS and re.search(r"(ed|ing|[^s]s)$", verb)
    ):
        return f"subject does not begin with an imperative but '{verb}'"
    if subject.endswith("."):
        return "subject ends with a full stop"
    return ""


def text_problem(text: str, sender: str) -> str:
    message = text.split("\n---\n")[0].strip().splitlines()
    signed = [line for line in message if line.startswith("Signed-off-by:")]
    if signed != [f"Signed-off-by: {sender}"]:
        return f"signed off by {signed}"
    if not any(line and not TRAILER.fullmatch(line) for line in message):
        return "no text"
    if "hugeodp.invalid" in text:
        return "has the placeholder of the sender"
    return ""


def checkpatch(linux: Path, mail: Path, subject: str) -> Iterator[str]:
    """Complaints that are not exceptions."""
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            ["perl", linux / "scripts/checkpatch.pl", f"--root={linux}", "--strict",
             "--show-types", "--terse", "--no-summary", "--color=never", mail],
            cwd=nowhere, text=True, capture_output=True,
        )  # fmt: skip
    if done.stderr.strip():
        yield f"checkpatch: {done.stderr.strip().splitlines()[0]}"
    if done.returncode != 0 and not done.stdout.strip():
        yield f"checkpatch ended with status {done.returncode}"
    for line in done.stdout.splitlines():
        found = re.match(r".*?:(\d+): (?:ERROR|WARNING|CHECK):([A-Z0-9_]+): ", line)
        if not found:
            yield f"checkpatch: {line}"
            continue
        known = [
            (kind, glob)
            for kind, glob in EXCEPTIONS
            if kind == found[2] and fnmatchcase(subject, glob)
        ]
        USED.update(known)
        if not known:
            yield f"checkpatch: {found[2]} in line {found[1]}"


def check(linux: Path, mail: Path, sender: str) -> str:
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    subject = re.sub(r"^\[PATCH [^]]*\] ", "", str(message["Subject"]))
    name = f"{mail.parent.name}-{mail.stem[:4]}"
    text = message.get_content()
    if name.endswith("-0000"):
        problems = ["has a template's text"] if "***" in text + subject else []
        if len(text.split("\n\n")) < 4:
            problems.append("is too short")
        if len(subject) > 75:
            problems.append(f"subject has {len(subject)} columns")
    else:
        problems = [subject_problem(subject), text_problem(text, sender)]
        problems += checkpatch(linux, mail, subject)
    found = "; ".join(problem for problem in problems if problem)
    return f"fail {name} ({found}: {subject})" if found else f"pass {name}"


def main() -> None:
    linux, exceptions, sender, folder = sys.argv[1:]
    for line in Path(exceptions).read_text().splitlines():
        if line and not line.startswith("#"):
            kind, glob, _ = line.split(" | ", 2)
            EXCEPTIONS.append((kind.strip(), glob.strip()))
    mails = sorted(Path(folder).glob("*/*.patch"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        for result in pool.map(lambda mail: check(Path(linux), mail, sender), mails):
            print(result)
    for exception in EXCEPTIONS:
        if exception not in USED:
            print("fail checkpatch (no mail needs the exception {} | {})".format(*exception))


main()
