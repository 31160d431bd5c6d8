"""Lists of words: an Arrow list array, read without a loop over rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.transform.values import Column, Integers

_NO_WORD = r"[^\pL\pN_]+"
TOKENS = pa.list_(pa.string())


def tokenized(texts: pa.Array, *, lower: bool = True) -> pa.Array:
    """The words of each text: runs of letters, digits and underscores; null where the text is null."""
    spaced = pc.utf8_trim(pc.replace_substring_regex(texts, _NO_WORD, " "), " ")
    lists = pc.split_pattern(pc.utf8_lower(spaced) if lower else spaced, " ")
    row, words = pairs(lists)
    some = np.asarray(pc.not_equal(words, "").to_numpy(zero_copy_only=False))
    return lists.cast(TOKENS) if some.all() else listed(row[some], words.filter(pa.array(some)), texts)


def as_tokens(column: Column, *, lower: bool = True) -> pa.Array:
    """Lists of words as they are, or the words of texts."""
    array = pa.array(column)
    return tokenized(array, lower=lower) if pa.types.is_string(array.type) else array


def pairs(tokens: pa.Array) -> tuple[Integers, pa.Array]:
    """The row of every word, and the words, in order of the rows."""
    return pc.list_parent_indices(tokens).to_numpy().astype(np.int64), pc.list_flatten(tokens)


def listed(row: Integers, words: pa.Array, like: pa.Array) -> pa.Array:
    """The list array of words whose rows are sorted; null where ``like`` is."""
    offsets = np.searchsorted(row, np.arange(len(like) + 1)).astype(np.int32)
    mask = like.is_null() if like.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), words, mask=mask)


def ngrams(tokens: pa.Array, fewest: int, most: int) -> pa.Array:
    """All runs of ``fewest`` to ``most`` words of each row, joined by a blank."""
    row, words = pairs(tokens)
    found_rows, found_words = [], []
    joined, last = words, row
    for length in range(1, most + 1):
        if length > 1:
            joined = pc.binary_join_element_wise(joined.slice(0, max(len(joined) - 1, 0)), words.slice(length - 1), " ")
            last = row[length - 1 :]
        if length >= fewest:
            same = row[: len(last)] == last
            found_rows.append(row[: len(last)][same])
            found_words.append(joined.filter(pa.array(same)))
    rows = np.concatenate(found_rows)
    order = np.argsort(rows, kind="stable")
    return listed(rows[order], pa.concat_arrays(found_words).take(pa.array(order)), tokens)
