"""What the report of a loop shows: pieces of text and pictures, computed from the state alone."""
