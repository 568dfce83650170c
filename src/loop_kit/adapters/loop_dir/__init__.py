"""The folder `.loop/` on disk."""
