"""The daemon: scans by the clock, and what the last ones found, served over HTTP."""
