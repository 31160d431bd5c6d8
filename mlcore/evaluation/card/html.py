"""A model card as one HTML file: no script, no address, and whatever comes from data escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from mlcore.evaluation.card.charts import chart
from mlcore.evaluation.card.content import Section, Subject, Table, sections
from mlcore.evaluation.files import Judgement

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2rem; border-bottom: 1px solid #8886; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid #8883; vertical-align: top; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
.frame { fill: none; stroke: #888; } .guide { fill: none; stroke: #888; stroke-dasharray: 4; }
.curve { fill: none; stroke: #2a6fdb; stroke-width: 1.5; } .bar { stroke: #2a6fdb; } .dot { fill: #2a6fdb; }
"""


def to_html(subject: Subject) -> str:
    """The whole card."""
    body = "\n".join(line for section in sections(subject) for line in _section(section, subject.judgement))
    return document(subject.title, body)


def document(title: str, body: str) -> str:
    """A page by itself, whose policy lets nothing be run or fetched.

    Args:
        title: Plain text.
        body: HTML, in which all that comes from data is escaped.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def _section(section: Section, judgement: Judgement) -> Iterator[str]:
    yield f"<h2>{escape(section.heading)}</h2>"
    yield from (drawn for name in section.charts if (drawn := chart(name, judgement)))
    for part in section.parts:
        if isinstance(part, Table):
            yield _table(part)
        elif part:
            yield f"<p>{escape(part)}</p>"


def _table(table: Table) -> str:
    head, *rows = table.rows
    heading = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{heading}</tr></thead>\n<tbody>{body}</tbody></table></div>'
