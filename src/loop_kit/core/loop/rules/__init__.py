"""What makes a loop converge or stop: one rule to a file, each with its settings."""
