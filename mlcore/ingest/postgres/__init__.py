"""PostgreSQL tables and queries as a source: spans, read once, from one snapshot, as Arrow.

- ``address``: where the database is, and what of that must not be shown.
- ``connection``: connections that share one snapshot; the database's refusals in words.
- ``types``: which PostgreSQL type is which Arrow type, and which is refused.
- ``relation``: the table or query as it was found.
- ``survey``: rows by span, and marks that tell changed spans from unchanged ones without reading them.
- ``plan``: ranges that several connections read side by side.
- ``copy``: COPY into record batches.
- ``stage``, ``content``: rows to spans, sorted and digested, in bounded memory.
- ``extract``: all of it, and again from a new snapshot when the connection is lost.
"""
