"""One module a change of the tables, in order; each is final once it was released."""
