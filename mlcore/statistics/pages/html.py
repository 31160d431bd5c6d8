"""A page as one HTML file: no address in it is fetched, and nothing from data is markup.

The values are JSON inside a ``script`` element that no browser runs; the scripts draw them as texts and SVG shapes,
never as HTML. The page's own policy forbids every other script, style and connection.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files

from mlcore.statistics.pages.model import Page, page_document

_SCRIPTS = ("texts.js", "charts.js", "features.js", "page.js")


def render(page: Page) -> str:
    """The whole file."""
    style, script = _resource("page.css"), "".join(_resource(name) for name in _SCRIPTS)
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'"
    parts = {
        "policy": html.escape(policy),
        "title": html.escape(page.title),
        "style": style,
        "script": script,
        "values": _json(page),
    }
    shell = _resource("page.html")
    made = []
    for piece in shell.split("{{"):
        name, mark, rest = piece.partition("}}")
        made.append(parts[name.strip()] + rest if mark else piece)
    return "".join(made)


def _json(page: Page) -> str:
    """JSON in which no character can end the element, or mean anything to an HTML parser."""
    text = json.dumps(page_document(page), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
