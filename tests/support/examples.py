"""The rows of the example pipelines, as daily files."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv

FIRST_DAY = date(2024, 1, 1)
DAYS = 62
_COMMON = ("the", "our", "account", "page", "please", "since", "yesterday", "invoice", "login", "export", "report")
_UPSET = ("unacceptable", "lawyer", "again", "broken", "cancel", "refund", "urgent", "nobody", "answers")
_CALM = ("thanks", "question", "wondering", "how", "kindly", "feature", "nice", "could", "help")


def write_diabetes(folder: Path) -> None:
    """442 patients of ``sklearn.datasets.load_diabetes``."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    columns = dict(zip(found.feature_names, found.data.T, strict=True)) | {"progression": found.target}
    _write_days(folder, columns, id_="patient", moment="seen_at")


def write_wine(folder: Path) -> None:
    """178 wines of ``sklearn.datasets.load_wine``."""
    from sklearn.datasets import load_wine

    found = load_wine()
    wanted = ("alcohol", "malic_acid", "ash", "magnesium", "flavanoids", "color_intensity", "hue", "proline")
    columns = {name: values for name, values in zip(found.feature_names, found.data.T, strict=True) if name in wanted}
    columns["cultivar"] = np.array([f"cultivar {number + 1}" for number in found.target])
    _write_days(folder, columns, id_="bottle", moment="tasted_at")


def write_tickets(folder: Path, days: int = 24, rows: int = 150) -> None:
    """Tickets whose words, plan and number of open tickets say something of what becomes of them."""
    generator = np.random.default_rng(11)
    folder.mkdir(parents=True)
    for day in range(days):
        lines = []
        for number in range(rows):
            upset = generator.random() < 0.35
            words = [*generator.choice(_COMMON, 6), *generator.choice(_UPSET if upset else _CALM, 3)]
            plan, open_ = str(generator.choice(["free", "team", "company"])), int(generator.poisson(3))
            chance = 1 / (1 + np.exp(-(-2.5 + 2.2 * upset + 0.25 * open_ + 0.8 * (plan == "company"))))
            row = {
                "ticket": day * rows + number,
                "opened_at": _moment(FIRST_DAY + timedelta(days=day), number, rows),
                "text": " ".join(generator.permutation(words)),
                "channel": str(generator.choice(["mail", "chat", "phone"])),
                "plan": plan,
                "age_days": None if generator.random() < 0.1 else round(float(generator.exponential(200)), 1),
                "open_tickets": open_,
                "escalated": bool(generator.random() < chance),
            }
            lines.append(json.dumps(row))
        path = folder / f"{FIRST_DAY + timedelta(days=day)}.jsonl.gz"
        path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _write_days(folder: Path, columns: dict[str, np.ndarray], *, id_: str, moment: str) -> None:
    """The rows in a random order, about as many each day."""
    folder.mkdir(parents=True)
    rows = len(next(iter(columns.values())))
    order = np.random.default_rng(3).permutation(rows)
    for day, chosen in enumerate(np.array_split(order, DAYS)):
        today = FIRST_DAY + timedelta(days=day)
        moments = [_moment(today, number, len(chosen)) for number in range(len(chosen))]
        table = pa.table({id_: chosen, moment: moments} | {name: values[chosen] for name, values in columns.items()})
        pc_csv.write_csv(table, folder / f"{today}.csv")


def _moment(day: date, number: int, rows: int) -> str:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=number * 1440 // rows)
    return at.isoformat().replace("+00:00", "Z")
