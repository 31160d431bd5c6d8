"""Telling people: what failed, why and where to look, through any Apprise URL."""
