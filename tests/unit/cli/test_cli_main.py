"""How the command ends that was broken by something nobody foresaw."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlcore.cli import main


def test_what_nobody_foresaw_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The terminal has what, where and what to do; a file has the traceback, and neither has a password."""

    def broken() -> None:
        raise RuntimeError("no way to postgresql://me:geheim123@host/db")

    monkeypatch.setattr(main, "app", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "mlcore broke: RuntimeError: 'no way to postgresql://me:***@host/db'" in told
    assert "Traceback" not in told
    (place,) = re.findall(r"which is in (\S+\.txt)", told)
    kept = Path(place).read_text(encoding="utf-8")
    assert "Traceback" in kept
    assert "in broken" in kept
    assert "geheim123" not in kept
