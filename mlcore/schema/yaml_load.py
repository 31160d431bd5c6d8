"""YAML 1.2 as it is written in schema files, parsed by libyaml: a schema of ten thousand features in seconds."""

from __future__ import annotations

from typing import Any

import yaml
from ruamel.yaml.resolver import implicit_resolvers

from mlcore.errors import quoted

_VERSION = (1, 2)
_INT = "tag:yaml.org,2002:int"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # without libyaml the same, slower


class _Loader(_Base):  # type: ignore[misc]
    """What plain words mean is told by YAML 1.2 (``NO`` is text, ``010`` is ten); no key may be there twice."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, Any]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and (key_node.tag, key) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {quoted(key)} is there twice", key_node.start_mark
                )
            seen.add((key_node.tag, key))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    digits = text.lstrip("+-").lower()
    if digits[:2] not in ("0b", "0o", "0x"):
        return int(text)
    return int(digits, 0) * (-1 if text.startswith("-") else 1)


for _versions, _tag, _expression, _first in implicit_resolvers:
    if _VERSION in _versions:
        _Loader.add_implicit_resolver(_tag, _expression, _first)
_Loader.add_constructor(_INT, _integer)


def load_yaml(text: str) -> Any:
    """The document of a text.

    Raises:
        yaml.YAMLError: It is no YAML, has more documents than one, or a key twice.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader
