"""Which version of a source was found last is told by counting: a clock may have been set back in between."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

_SIGHTINGS = """
CREATE SEQUENCE sighting_seq;
ALTER TABLE artifact ADD COLUMN sighting BIGINT;
UPDATE artifact SET sighting = ordered.sighting
FROM (
    SELECT id, nextval('sighting_seq') AS sighting
    FROM (SELECT id FROM artifact WHERE type = 'SourceFile' ORDER BY COALESCE(seen_at, created_at), id) known
) ordered
WHERE artifact.id = ordered.id;
ALTER TABLE artifact DROP COLUMN seen_at;
"""


def upgrade() -> None:
    op.execute(_SIGHTINGS)
