"""Where probes are sent from."""
