"""What events ask for, and the loops of a repository as a whole."""
