"""What is wanted: the task card, its scope, and how it is read."""
