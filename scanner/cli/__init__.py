"""The command ``sarhad``."""
