"""Agents: one file for each program that plays a role, and what they share."""
