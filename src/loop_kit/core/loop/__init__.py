"""The loop itself: its state machine, and what is recorded of it."""
