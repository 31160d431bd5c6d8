"""The block ``lineage`` of a pipeline's or the project's file."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlcore.config.lineage import Lineage


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "either file or url"),
        ({"file": "a", "url": "http://host"}, "either file or url"),
        ({"file": "a", "token": "${T}"}, "token is for url"),
        ({"file": "s3://bucket/a"}, "path of this machine"),
        ({"url": "host:5000"}, "no HTTP address"),
        ({"url": "ftp://host"}, "no HTTP address"),
        ({"url": "http://[host"}, "no URL"),
        ({"url": "http://me:secret@host"}, "holds a user"),
        ({"url": "http://host", "token": "secret"}, "is the secret itself"),
        ({"url": "http://host", "schemas": "no scheme"}, "schemas"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(given: dict[str, Any], said: str) -> None:
    """The reason is said, and a secret that stands in the file is not repeated by what says so."""
    with pytest.raises(ValidationError, match=said) as caught:
        Lineage(**given)
    assert all("secret@" not in error["msg"] for error in caught.value.errors())


def test_a_secret_is_in_no_repr() -> None:
    """Address and token are left out."""
    assert "host" not in repr(Lineage(url="http://host", token="${T}"))
