"""Read a pipeline file into its model, or say exactly which key is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from mlcore.config.beam import PlatformConfig
from mlcore.config.fields import Section
from mlcore.config.files import pipeline_file, pipeline_names
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError, quoted

__all__ = ["find_pipeline", "load_pipeline", "load_platform", "pipeline_names", "schema_file"]

_SHOWN_PROBLEMS = 10
_OF_KINDS = (("data", "source"), ("data", "split"), ("inference", "source"))
_LISTED = (("push", "destinations"), ("inference", "destinations"))
_KIND = re.compile(r"^(?:Input tag .* found|Unable to extract tag) using (?:discriminator )?'(\w+)'")
_SECRET = (("alerts",),)
"""Blocks whose values no message quotes: who wrote an address wrongly may have written its token."""
_SHARED = ("beam", "retention", "tracking", "lineage")
"""Blocks that the project's file gives to pipelines without their own."""
PLATFORM_FILE = "platform.yaml"
"""Beside the folder of the pipelines."""

_Document = TypeVar("_Document", bound=Section)


def load_pipeline(path: Path) -> PipelineConfig:
    """The pipeline of one YAML file, with what it leaves to the project's ``config/platform.yaml``.

    Raises:
        ConfigError: A file is missing, is no YAML, or a key is unknown, missing or out of range.
    """
    config = _validated(path, PipelineConfig, "pipeline")
    if config.name != path.stem:
        raise ConfigError(
            f"name: {config.name} does not match the file name {path.name}",
            where=str(path),
            next_step=f"name the file {config.name}.yaml, or write name: {path.stem}",
        )
    shared = load_platform(path.parent.parent)
    given = {name: getattr(config, name) or getattr(shared, name) for name in _SHARED}
    config = config.model_copy(update=given)
    config._owned_schema = _owned_schema(schema_file(path.parent, config.name))
    return config


def schema_file(pipelines: Path, name: str) -> Path:
    """Where the schema that people own lies, beside the folder of pipeline files; it need not be there."""
    return pipelines.parent / "schemas" / f"{name}.yaml"


def _owned_schema(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the schema file: {quoted(str(error))}",
            where=str(path),
            next_step="check that it is a UTF-8 text file",
        ) from error


def load_platform(folder: Path) -> PlatformConfig:
    """What the pipelines of a project share; ``folder`` is the project's ``config``.

    Raises:
        ConfigError: As :func:`load_pipeline`; that there is no file is no error.
    """
    path = folder / PLATFORM_FILE
    return _validated(path, PlatformConfig, "platform file") if path.is_file() else PlatformConfig()


def find_pipeline(folder: Path, name: str) -> PipelineConfig:
    """The pipeline called ``name`` in ``config/pipelines``.

    Raises:
        ConfigError: There is no such pipeline; the message lists the ones there are.
    """
    return load_pipeline(pipeline_file(folder, name))


def _validated(path: Path, kind: type[_Document], called: str) -> _Document:
    document = _read_yaml(path)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise ConfigError(
            f"{path.name} is not a valid {called}:\n" + "\n".join(_problems(error)),
            where=str(path),
            next_step="correct the keys named above; docs/reference/pipeline.md lists every key and what it may hold",
        ) from error


def _read_yaml(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the pipeline file: {error}", where=str(path), next_step="check that it is a UTF-8 text file"
        ) from error
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader that also refuses double keys
    except yaml.YAMLError as error:
        raise ConfigError(
            f"not valid YAML: {error}", where=str(path), next_step="correct the line named above"
        ) from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; a pipeline file must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {quoted(key)} is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _problems(error: ValidationError) -> list[str]:
    problems = error.errors(include_url=False, include_context=False)
    lines = [_problem(problem["loc"], problem["msg"], problem["input"]) for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  and {len(problems) - _SHOWN_PROBLEMS} more")
    return lines


def _problem(location: tuple[int | str, ...], message: str, value: object) -> str:
    key = ".".join(str(part) for part in _written(location, message)) or "(the whole file)"
    message = message.removeprefix("Value error, ")
    hidden = isinstance(value, dict) or location[:1] in _SECRET
    given = "" if hidden else f" (given: {quoted(value)})"
    return f"  {key}: {message}{given}"


def _written(location: tuple[int | str, ...], message: str) -> tuple[int | str, ...]:
    """A key as it stands in the file: Pydantic puts the kind of a block into it, and leaves out what says the kind."""
    kind = _KIND.search(message)
    if kind is not None:
        return (*location, kind[1])
    place = 3 if location[:2] in _LISTED else 2  # a list's entry comes before its kind
    return location[:place] + location[place + 1 :] if location[:2] in (*_OF_KINDS, *_LISTED) else location
