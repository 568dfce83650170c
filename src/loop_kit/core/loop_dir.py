"""The name of the loop's folder, which every part of the product has to know."""

LOOP_DIR = ".loop"
"""The loop's folder, relative to the root of the repository."""
