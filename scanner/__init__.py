"""Judges: register and observations and claims in, verdicts, findings and the run out."""
