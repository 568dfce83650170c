"""Rooms: what a program sees, and can reach, that this program did not write."""
