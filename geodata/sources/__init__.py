"""One module a source of claims."""
