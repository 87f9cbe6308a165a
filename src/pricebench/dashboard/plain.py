r"""Untrusted text for places that render Markdown: names come from JSON that anyone may have written.

Tables and charts show text as it is; headings, captions and messages do not.
"""

from __future__ import annotations

import re

# Invisible, and breaks what is looked for after escapes are gone: `:smile:`, `:material/x:`, bare addresses.
_WORD_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_SECOND_PASS = re.compile(r"((?<!\d\\):|@|\bwww)(?=\S)", re.IGNORECASE)  # not inside of 12:00
_BLANKS = re.compile(r"\s+")
_LONGEST = 300
_LONGEST_LIST = 2000


def plain(text: str) -> str:
    r"""Markdown that shows `text`, on one line, and at most its first 300 characters.

    >>> plain("a*b*")
    'a\\*b\\*'
    """
    return _escaped(_shown(text))


def _escaped(line: str) -> str:
    # The joiner stands behind the escape of its character, so escapes are made first.
    return _SECOND_PASS.sub(rf"\1{_WORD_JOINER}", _PUNCTUATION.sub(r"\\\1", line))


def plain_long(text: str) -> str:
    """The same of a sentence of ours that lists names from files: up to 2,000 characters."""
    return _escaped(_shown(text, longest=_LONGEST_LIST))


def line_of(text: str) -> str:
    """`text` on one line for places that show it as it is: control characters would break or hide it."""
    return _shown(text)


def _shown(text: str, longest: int = _LONGEST) -> str:
    line = "".join(char if char.isprintable() else " " for char in text)
    line = _BLANKS.sub(" ", line).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"
