"""Embedded data, with the scripts that make it (see ATTRIBUTION.md)."""
