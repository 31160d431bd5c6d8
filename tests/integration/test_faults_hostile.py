"""Models whose files were changed where they lie: nobody serves them, predicts with them or hands them on."""

from __future__ import annotations

from pathlib import Path

from support.faults import serving
from support.project import Project


def model_file(project: Project, version: int) -> Path:
    with project.session() as session:
        (model,) = session.metadata.artifacts([session.registry.find("tiny", version).artifact_id])
        return session.artifacts.path(model.uri) / "model.skops"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_model_that_was_changed_in_the_store_is_refused_by_all(ran_twice: Project, tmp_path: Path) -> None:
    """One bit of a number inside: a server that runs stays with what it has, and everything else ends with 2."""
    file = model_file(ran_twice, 1)
    file.write_bytes(flipped(file.read_bytes(), file.read_bytes().index(b"NUMPY") + 200))
    out = tmp_path / "out.parquet"
    with serving(ran_twice) as served:
        assert ran_twice.cli("models", "rollback", "tiny").returncode == 0
        for arguments in (
            ("predict", "tiny", str(ran_twice.data(9)), "--out", str(out)),
            ("serve", "tiny", "--port", "1"),
            ("models", "export", "tiny", "1", str(tmp_path / "one.zip")),
        ):
            refused = ran_twice.cli(*arguments)
            assert refused.returncode == 2, (arguments, refused.stderr)
            assert "are not those published" in refused.stderr
            assert str(file.parent) in refused.stderr
            assert "Traceback" not in refused.stderr
        served.check()
        assert served.answers()["model_version"] == 2
    assert not [*tmp_path.iterdir()]
