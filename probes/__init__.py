"""Measures, and knows nothing of countries."""
