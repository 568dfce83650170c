"""What agents produce: their reports, their activity, and why they fail."""
