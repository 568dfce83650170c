"""A simulator of review loops: the real engine, agents and changes drawn by chance."""
