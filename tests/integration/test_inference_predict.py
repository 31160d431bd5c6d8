"""``mlcore predict``: whole files of rows, scored by a registered model."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from support.databases import execute
from support.postgres_source import run as run_sql
from support.project import Project

from mlcore.core.types import ArtifactType
from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores


def expected(project: Project, day: int) -> tuple[list[int], list[float]]:
    """The keys of a day's rows, and what the champion's pipeline itself says of them."""
    with project.session() as stores:
        champion = stores.registry.champion("tiny")
        assert champion is not None
        (artifact,) = stores.metadata.artifacts([champion.artifact_id])
        model = load_model(stores.artifacts.path(artifact.uri))
    rows = pa.csv.read_csv(project.data(day))
    return rows["id"].to_pylist(), predict_scores(model, rows).tolist()


def test_rows_of_a_file_are_predicted_bit_for_bit_and_linked_to_the_model(ran: Project) -> None:
    """Equal input gives an equal file, every probability is the exported pipeline's, and lineage leads to the model."""
    keys, scores = expected(ran, 9)
    outs = [ran.folder / name for name in ("one.parquet", "two.parquet")]
    for out in outs:
        done = ran.cli("predict", "tiny", str(ran.data(9)), "--out", str(out), "--keep", "colour")
        assert done.returncode == 0, done.stderr
    assert outs[0].read_bytes() == outs[1].read_bytes()
    found = pq.read_table(outs[0])
    assert found.column_names == ["id", "at", "colour", "prediction", "probability", "model_version"]
    assert (found["id"].to_pylist(), found["probability"].to_pylist()) == (keys, scores)
    with ran.session() as stores:
        recorded = stores.metadata.find_artifacts(type=ArtifactType.PREDICTIONS, pipeline="tiny")
        assert [one.digest for one in recorded] == [recorded[0].digest] * 2
        assert recorded[0].properties["rows"] == len(keys)
        types = [node.artifact.type for node in stores.metadata.lineage(recorded[0].id, "up")]
        assert ArtifactType.MODEL in types


def test_a_table_holds_the_predictions_of_before_or_of_after(ran: Project) -> None:
    """Rows are replaced in one transaction; what cannot be written leaves those of before."""
    keys, scores = expected(ran, 9)
    url = str(ran.settings.database_url)
    to = ["--database", url.replace("+psycopg2", ""), "--table", "outside"]
    for day in (8, 9):
        done = ran.cli("predict", "tiny", str(ran.data(day)), *to)
        assert done.returncode == 0, done.stderr
    asked = "SELECT id, probability FROM outside ORDER BY id"
    assert run_sql(url, asked) == sorted(zip(keys, scores, strict=True))
    ran.data(7).write_text(ran.data(7).read_text().replace(",red,", ",red,,,"), encoding="utf-8")
    broken = ran.cli("predict", "tiny", str(ran.data(7)), *to)
    assert broken.returncode == 1
    assert "bad" in broken.stderr
    assert run_sql(url, asked) == sorted(zip(keys, scores, strict=True))
    execute(url, "ALTER TABLE outside ADD COLUMN note text")
    other = ran.cli("predict", "tiny", str(ran.data(9)), *to)
    assert other.returncode == 1
    assert "other columns" in other.stderr
    with ran.session() as stores:
        runs = [run for run in stores.metadata.runs("tiny") if run.run.startswith("predict__")]
        assert sorted(next(iter(run.states)).value for run in runs) == ["COMPLETE", "COMPLETE", "FAILED", "FAILED"]


REFUSED = {
    "there is no version 9 of tiny": ["--model", "9"],
    "there is no alias 'best' of tiny": ["--model", "best"],
    "lack the column 'nobody'": ["--keep", "nobody"],
    "the file cannot be written": ["--out", "nowhere/p.parquet"],
    "say where predictions go": ["--table", "t"],
    "predictions are written as Parquet, which .csv does not say": ["--out", "p.csv"],
}


def test_what_cannot_be_done_is_said(ran: Project) -> None:
    """Nothing is written, and the message names what is wrong."""
    for said, arguments in REFUSED.items():
        done = ran.cli("predict", "tiny", str(ran.data(9)), "--out", "p.parquet", *arguments)
        assert done.returncode in (1, 2)
        assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not [*ran.folder.glob("*.parquet"), *ran.folder.glob("*.csv")]
