"""Sources of claims, one module a kind of data."""
