"""Formats: each reads one file, a block at a time, and says which rows are bad.

- ``stream``: bytes of a file or URL, decompressed.
- ``records``: where the records of CSV text begin and end.
- ``convert``: text to typed columns, and which cells cannot be.
- ``csv_format``, ``json_lines``, ``parquet``: the formats.
"""
