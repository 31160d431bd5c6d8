"""Licences of everything that is installed: permissive, with few exceptions that are given by name."""

from __future__ import annotations

import importlib.metadata
import re

from packaging.markers import default_environment
from support.repository import locked

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "PSF-2.0", "Python-2.0", "TCL", "Unlicense", "Zlib",
}  # fmt: skip
# The words of older metadata, by the licence they mean.
WORDS = {
    r"apache( software)?( license)?( 2\.0|, version 2\.0)?": "Apache-2.0",
    r"(mit|mit license|the mit license \(mit\))": "MIT",
    r"(bsd|bsd license|(new|3-clause) bsd( license)?)": "BSD-3-Clause",
    r"python software foundation license": "PSF-2.0",
    r"isc license( \(iscl\))?": "ISC",
    r"(cc0|cc0 1\.0 universal.*)": "CC0-1.0",
    r"the unlicense \(unlicense\)": "Unlicense",
}
EXCEPTIONS = {
    "psycopg2-binary": "LGPL with exceptions; linked at run time and unchanged, as its licence allows to all",
    "certifi": "MPL-2.0, a copyleft of its own files, which are used unchanged",
    "hypothesis": "MPL-2.0, a copyleft of its own files; for tests, not in the image",
    "pathspec": "MPL-2.0, a copyleft of its own files, which are used unchanged",
    "tqdm": "MPL-2.0 in part, a copyleft of its own files, which are used unchanged",
    "text-unidecode": "Artistic or GPL, as one likes: used under the Artistic License",
}


def licences(name: str) -> set[str]:
    """What a package's metadata says, as alternatives of SPDX names; its licence file where it says nothing."""
    found = importlib.metadata.distribution(name)
    if expression := found.metadata.get("License-Expression"):
        return {alternative.strip("() ") for alternative in expression.split(" OR ")}
    classifiers = [item.split(" :: ")[-1] for item in found.metadata.get_all("Classifier", []) if "License ::" in item]
    said = [*classifiers, (found.metadata.get("License") or "").strip().partition("\n")[0]]
    known = {spdx for words in said for pattern, spdx in WORDS.items() if re.fullmatch(pattern, words.lower())}
    return known or {text for text in said if text not in ("", "OSI Approved")} or from_file(found)


def from_file(found: importlib.metadata.Distribution) -> set[str]:
    texts = [file.read_text() for file in found.files or [] if re.search(r"LICEN[CS]E", file.name)]
    named = {words for text in texts for words in ("MIT", "Apache-2.0") if f"{words} License" in text[:200]}
    return named or {"MIT" for text in texts if "Permission is hereby granted, free of charge" in text}


def permissive(alternative: str) -> bool:
    return all(part.strip("() ") in PERMISSIVE for part in alternative.split(" AND "))


def applicable(name: str) -> bool:
    environment = dict(default_environment())
    pins = locked("requirements.lock")[name]
    return any(pin.marker is None or pin.marker.evaluate(environment) for pin in pins)


def test_every_locked_package_is_permissive_or_a_named_exception() -> None:
    """Its metadata offers a permissive licence, or the exception says why it may be used; never both."""
    found = {name: licences(name) for name in locked("requirements.lock") if applicable(name)}
    others = {name for name, offered in found.items() if not any(permissive(one) for one in offered)}
    assert {name: found[name] for name in others ^ set(EXCEPTIONS)} == {}


def test_exceptions_are_locked() -> None:
    """No exception outlives its package."""
    assert set(EXCEPTIONS) <= set(locked("requirements.lock"))
