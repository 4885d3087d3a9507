"""Vantage points: machines whose place is known, and which probe."""
