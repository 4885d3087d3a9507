"""An Internet of real packets on one machine, from one YAML file (a world)."""
