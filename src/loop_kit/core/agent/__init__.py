"""What agents say to us: their reports, what they do, and why they fail."""
