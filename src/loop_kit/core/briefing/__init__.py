"""What we say to agents: prompts, hand-over, knowledge."""
