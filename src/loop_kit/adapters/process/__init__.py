"""Processes: the only place that starts any."""
