"""Finds words that readers stumble over, and says what to write instead.

It reads the prose of the files that are its arguments: the text of a Markdown file outside code,
and the comments, docstrings and other strings of a Python file. The exit status is 1 if it finds
such words.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

#: The refused words, and what to write instead.
REFUSED = {
    "is no": "is not a",
    "are no": "are not, or there is not any",
    "goes on": "continues or resumes",
    "go on": "continue or resume",
    "going on": "continuing or happening",
    "gone on": "continued",
    "went on": "continued",
    "anew": "again",
    "mend": "fix",
    "what came of": "results of",
    "so many": "this many",
    "beside": "besides, alongside, next to or compared with",
    "that which": "what",
    "whoever": "a person or program that",
    "lest": "so that ... not",
    "for want of": "because ... lacks",
    "slip of the hand": "typing mistake",
}
# "Is no longer" is good English.
_PATTERNS = {
    words: re.compile(r"\b" + r"\s+".join(words.split()) + r"\b(?!\s+longer\b)", re.IGNORECASE)
    for words in REFUSED
}

_STRINGS = {
    kind
    for name in ("STRING", "COMMENT", "FSTRING_MIDDLE")
    if (kind := getattr(tokenize, name, None)) is not None
}


def main(files: list[str]) -> int:
    """Prints every refused word in the prose of these files; returns 1 if any, otherwise 0."""
    found = [line for file in files for line in complaints(Path(file))]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


def complaints(path: Path) -> Iterator[str]:
    """A line for each refused word in a file."""
    text = path.read_text()
    prose = python_prose(text) if path.suffix == ".py" else markdown_prose(text)
    for words, pattern in _PATTERNS.items():
        for match in pattern.finditer(prose):
            line = prose.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: '{words}': write {REFUSED[words]}"


def markdown_prose(text: str) -> str:
    """The text without its code, with the same number of lines."""
    without_blocks = re.sub(r"^ *```.*?^ *```", _blank, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", _blank, without_blocks)


def python_prose(text: str) -> str:
    """The comments and strings of a program, with the same number of lines."""
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in _STRINGS:
            for offset, part in enumerate(token.string.split("\n")):
                lines[token.start[0] - 1 + offset] += " " + part.lstrip("# ")
    return re.sub(r"`[^`]*`", _blank, "\n".join(lines))


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
