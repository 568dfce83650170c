"""What agents are given: prompts, hand-over, knowledge."""
