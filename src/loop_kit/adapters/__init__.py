"""Adapters: one kind of outside thing each; they share `process`, `process_tree` and `git` only."""
