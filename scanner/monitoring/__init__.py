"""What watches the metrics: alerts, recording rules, dashboards, and the files of config/ made of them."""
