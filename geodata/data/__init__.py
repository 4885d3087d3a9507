"""The embedded snapshot: see ATTRIBUTION.md for what it is made of."""
