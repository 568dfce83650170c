"""Writes docs/reference.md and docs/troubleshooting.md from the code."""
