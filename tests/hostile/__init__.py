"""Hostile agents and events against an installed loop-kit: what holds, and what does not."""
