"""A version made once more from its lineage, and held against what was recorded."""
