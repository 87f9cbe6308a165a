from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.dashboard.plain import line_of, plain


@given(st.text())
def test_every_mark_of_markdown_is_escaped(text):
    shown = plain(text)

    unescaped = shown.replace("\\\\", "")
    for mark in "*_`[]<>#|~$":
        assert unescaped.count(mark) == unescaped.count(f"\\{mark}")


@given(st.text())
def test_a_name_stays_on_one_line(text):
    assert line_of(text) == " ".join(line_of(text).split())
    assert len(line_of(text)) <= 300


@pytest.mark.parametrize(
    "text", [":smile:", ":material/home:", "https://example.org", "www.example.org", "a@b.example"]
)
def test_what_is_looked_for_after_escaping_is_broken_up(text):
    without_escapes = plain(text).replace("\\", "")

    assert text not in without_escapes
    assert without_escapes.replace("\u2060", "") == text


def test_control_characters_become_blanks():
    assert line_of("a\nb\x00c\u202ed") == "a b c d"


def test_a_time_of_day_can_be_copied():
    assert plain("at 12:34:56") == r"at 12\:34\:56"
