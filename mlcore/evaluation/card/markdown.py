"""A model card as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlcore.evaluation.card.content import Section, Subject, Table, sections

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def to_markdown(subject: Subject) -> str:
    """The whole card; whatever comes from data is text, never markup."""
    lines = [f"# {escape(subject.title)}", ""]
    for section in sections(subject):
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def escape(text: object) -> str:
    """A text in one line that means itself in Markdown, and in HTML within it.

    >>> escape("<b>|x")
    '\\\\<b\\\\>\\\\|x'
    """
    one_line = "".join(mark if mark.isprintable() else " " for mark in str(text))
    return _SPECIAL.sub(r"\\\1", one_line)


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {escape(section.heading)}", "")
    for part in section.parts:
        if isinstance(part, Table):
            yield from _table(part)
        elif part:
            yield escape(part)
        yield ""


def _table(table: Table) -> Iterator[str]:
    for place, row in enumerate(table.rows):
        yield "| " + " | ".join(map(escape, row)) + " |"
        if place == 0:
            yield "|" + "---|" * len(row)
