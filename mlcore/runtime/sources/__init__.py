"""What a source holds, span by span, and in which version: now, before a correction, and in the past."""
