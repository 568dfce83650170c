"""The Actions runner: its variables, command files and log."""
