"""Change the keys of a YAML text that changed, and leave every other line as it is.

The text is parsed only to find where each key stands; the lines in between, comments among them, are never rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlcore.core.types import Json

Render = Callable[[str, Json, int], list[str]]
"""The lines of a key and its value at a depth, without indentation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Splice:
    """Lines ``start`` to ``end`` (excluded) give way to others."""

    start: int
    end: int
    lines: list[str]


def edit(text: str, before: Mapping[str, Any], after: Mapping[str, Any], render: Render) -> str:
    """The text of a document ``before``, changed so that it says ``after``.

    Args:
        text: YAML whose top is a mapping.
        before: What it says, defaults left out.
        after: What it shall say.
        render: How a key and its value are written.
    """
    lines = text.splitlines()
    editor = _Editor(lines, render)
    editor.mapping(YAML(typ="rt").compose(text), before, after, ())
    # From the bottom up; of insertions at one place the innermost, which was found first, comes out on top.
    in_order = sorted(enumerate(editor.splices), key=lambda item: (item[1].start, item[1].end, item[0]), reverse=True)
    for _, splice in in_order:
        lines[splice.start : splice.end] = splice.lines
    return "".join(line + ("\r\n" if "\r\n" in text else "\n") for line in lines)


class _Editor:
    def __init__(self, lines: list[str], render: Render) -> None:
        self.lines = lines
        self.render = render
        self.splices: list[_Splice] = []

    def mapping(
        self, node: MappingNode, before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...]
    ) -> None:
        places = {key.value: (key, value) for key, value in node.value}
        for name in before:
            if name not in after and name in places:
                self._replace(*places[name], [])
        added = []
        for name, value in after.items():
            if name in before and before[name] == value:
                continue
            if name not in places:
                added += [""] * (path == ("features",)) + self._rendered(node.start_mark.column, name, value, path)
            else:
                self._value(places[name], node.start_mark.column, before.get(name), value, (*path, name))
        if added:
            end = _last_line(node, self.lines) + 1
            self.splices.append(_Splice(start=end, end=end, lines=added))

    def _value(self, place: tuple[Node, Node], column: int, before: Any, after: Json, path: tuple[str, ...]) -> None:
        key, value = place
        block = isinstance(value, MappingNode | SequenceNode) and not value.flow_style and value.value
        if block and isinstance(after, dict) and after and isinstance(value, MappingNode):
            self.mapping(value, before if isinstance(before, dict) else {}, after, path)
        elif block and isinstance(after, list) and after and isinstance(value, SequenceNode) and _scalars(value):
            self._sequence(value, after)
        else:
            self._replace(key, value, self._rendered(column, path[-1], after, path[:-1]))

    def _sequence(self, node: SequenceNode, after: list[Json]) -> None:
        """Of a list of scalars, one a line: lines that are gone, and new ones before the next that stays."""
        places = {item.value: item for item in node.value}
        for item in node.value:
            if item.value not in after:
                self._cut(item.start_mark.line, _last_line(item, self.lines) + 1, [])
        prefix = self.lines[node.value[0].start_mark.line][: node.value[0].start_mark.column]
        for index, value in enumerate(after):
            if value in places:
                continue
            following = next((places[later] for later in after[index + 1 :] if later in places), None)
            line = following.start_mark.line if following else _last_line(node.value[-1], self.lines) + 1
            rendered = self.render("x", value, 0)[0].removeprefix("x: ")
            self.splices.append(_Splice(start=line, end=line, lines=[prefix + rendered]))

    def _replace(self, key: Node, value: Node, lines: list[str]) -> None:
        """Other lines for a key and its value; a comment behind a value of one line stays."""
        last = _last_line(value, self.lines)
        behind = self.lines[last][value.end_mark.column :] if value.end_mark.line == last else ""
        if lines and behind.lstrip().startswith("#"):
            lines = [*lines[:-1], lines[-1] + behind]
        self._cut(key.start_mark.line, last + 1, lines)

    def _cut(self, start: int, end: int, lines: list[str]) -> None:
        self.splices.append(_Splice(start=start, end=end, lines=lines))

    def _rendered(self, column: int, name: str, value: Json, path: tuple[str, ...]) -> list[str]:
        return [" " * column + line if line else line for line in self.render(name, value, len(path))]


def _scalars(node: SequenceNode) -> bool:
    return all(isinstance(item, ScalarNode) for item in node.value)


def _last_line(node: Node, lines: list[str]) -> int:
    """The last line that belongs to a node: not the comments and empty lines after it."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last, lines)
    line = int(node.end_mark.line)
    if line > node.start_mark.line and node.end_mark.column == 0:
        line -= 1
        while line > node.start_mark.line and not lines[line].strip():
            line -= 1
    return line
