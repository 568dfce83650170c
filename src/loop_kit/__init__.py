"""A review loop of AI coding agents, one round per CI job."""

__version__ = "0.1.0"
