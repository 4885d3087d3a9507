"""Renders a run; computes nothing."""
