"""What other programs measured, as observation records: nothing is added to it, and nothing made of it."""
