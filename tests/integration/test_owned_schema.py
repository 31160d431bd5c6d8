"""A pipeline whose schema people own: frozen from a window, part of the fingerprint, changed by accept."""

from __future__ import annotations

import pytest
from support.project import AS_OF, Project

from mlcore.errors import AnomaliesFound
from mlcore.schema.constraints import InvalidSchema


def test_the_owned_schema_is_what_the_data_is_checked_against(project: Project) -> None:
    """Frozen, a change of it is a new schema, a stricter one stops the run, and accept lets it through again."""
    inferred = project.run(until="example_validator")
    assert inferred["schema_gen"].summary.endswith("inferred")
    frozen = project.cli("schema", "freeze", "tiny", "--at", AS_OF)
    assert frozen.returncode == 0, frozen.stderr
    path = project.folder / "config" / "schemas" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    assert "string_domain: {values: [blue, green, red]}" in text
    assert text.count("not_in_environment: [SERVING]") == 1  # what the label is made of, which is not there in time
    assert text.count("not_in_environment: [SERVING, RAW]") == 1  # the label, which no file has
    lines = project.data(3).read_text(encoding="utf-8").splitlines()
    delivered = project.folder / "delivered.csv"  # with a column that the pipeline does not read
    delivered.write_text(
        "".join(f"{line},{'note' if n == 0 else n}\n" for n, line in enumerate(lines)), encoding="utf-8"
    )
    checked = project.cli("data", "validate", str(delivered), "--schema", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    path.write_text("# ours\n" + text.replace("[blue, green, red]", "[blue, red]  # no green"), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("  # no green}", "}  # no green"), encoding="utf-8")

    with pytest.raises(AnomaliesFound, match="green"):
        project.run(name="owned", until="example_validator")
    accepted = project.cli("schema", "accept", "tiny", "--feature", "colour", "--yes")
    assert accepted.returncode == 0, accepted.stderr
    changed = path.read_text(encoding="utf-8")
    assert changed.startswith("# ours\n")
    assert "[blue, green, red]}  # no green" in changed
    results = project.run(name="accepted", until="example_validator")
    assert results["schema_gen"].summary.endswith("owned")
    path.write_text("features: [\n", encoding="utf-8")
    with pytest.raises(InvalidSchema, match="no YAML"):
        project.run(name="broken")
