"""docker-compose.yml as a file: the compose specification, where secrets come from, what is checked and pinned."""

from __future__ import annotations

import importlib.resources
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for
from support.compose import MissingVariable, load, start_order

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|TOKEN")
REQUIRED = sorted(set(re.findall(r"\$\{(\w+):\?", TEXT)))
ONE_SHOT = "airflow-init"


@pytest.fixture
def services() -> dict[str, Any]:
    """The services as Compose reads them, with a value of its own for every secret."""
    return load(TEXT, {name: f"<{name}>" for name in REQUIRED})["services"]


def test_the_file_follows_the_compose_specification() -> None:
    """The specification's own JSON schema has nothing to say, and does speak of a wrong key."""
    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    validator = validator_for(schema)(schema)
    document = yaml.safe_load(TEXT)
    assert [error.message for error in validator.iter_errors(document)] == []
    document["services"]["redis"]["healthchek"] = {}
    assert not validator.is_valid(document)


def test_every_secret_is_required_from_the_environment() -> None:
    """No variable that is named like a secret has a default, may be empty or may be left out."""
    used = re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", TEXT)
    lax = {name for name, rest in used if SECRET.search(name) and not rest.startswith(":?")}
    assert lax == set()
    assert {name for name in REQUIRED if SECRET.search(name)} == set(REQUIRED)
    everything = dict.fromkeys(REQUIRED, "x")
    for name in REQUIRED:
        with pytest.raises(MissingVariable, match=name):
            load(TEXT, {**everything, name: ""})


def test_no_secret_is_written_in_the_file(services: dict[str, Any]) -> None:
    """What is configured as a secret or inside an address holds a required variable's value."""
    given = {f"<{name}>" for name in REQUIRED}
    named = [(key, str(value)) for service in services.values() for key, value in service["environment"].items()]
    secret = [(key, value) for key, value in named if SECRET.search(key) or re.search(r"://[^/]*@", value)]
    assert secret
    assert [key for key, value in secret if not any(known in value for known in given)] == []


def test_every_service_that_stays_is_checked_and_started_again(services: dict[str, Any]) -> None:
    """All but the one-shot init have a health check and a restart policy; init has neither."""
    checked = {name for name, service in services.items() if service.get("healthcheck")}
    assert set(services) - checked == {ONE_SHOT}
    assert {name: service["restart"] for name, service in services.items() if name in checked} == dict.fromkeys(
        checked, "always"
    )
    assert services[ONE_SHOT]["restart"] == "no"


def test_airflow_starts_after_what_it_needs(services: dict[str, Any]) -> None:
    """Airflow's processes wait for a healthy PostgreSQL and for init to have ended well."""
    order = start_order(services)
    assert sorted(order) == sorted(services)
    for name, service in services.items():
        needs = {needed: how["condition"] for needed, how in service.get("depends_on", {}).items()}
        if name.startswith("airflow-") and name != ONE_SHOT:
            assert needs["postgres"] == "service_healthy"
            assert needs[ONE_SHOT] == "service_completed_successfully"
        assert all("healthcheck" in services[needed] for needed, how in needs.items() if how == "service_healthy")


def test_images_are_pinned_by_a_tag(services: dict[str, Any]) -> None:
    """No image floats with `latest` or without a tag; neither do the Dockerfile's."""
    images = [service["image"] for service in services.values()]
    assert [image for image in images if not re.search(r":[\w.-]+$", image) or image.endswith(":latest")] == []
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    python = re.search(r"^ARG PYTHON=(\d+\.\d+)$", dockerfile, re.MULTILINE)
    assert python is not None
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert set(bases) == {"python:${PYTHON}-slim"}


def test_only_this_machine_reaches_the_ui(services: dict[str, Any]) -> None:
    """One port is published, on the loopback interface; the database and the broker have none."""
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert published == {"airflow-apiserver": ["127.0.0.1:8080:8080"]}


def test_the_image_runs_as_an_ordinary_user() -> None:
    """The last USER of the Dockerfile is not root, and nothing secret is built in."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)[-1] == "50000:0"
    assert "--require-hashes" in dockerfile
    assert SECRET.search(dockerfile) is None


def test_the_example_of_a_secrets_file_names_all_and_holds_none() -> None:
    """`.env.example` lists exactly the required variables, each empty, so that a copy left as it is does not start."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert values == dict.fromkeys(REQUIRED, "")
    with pytest.raises(MissingVariable):
        load(TEXT, values)
