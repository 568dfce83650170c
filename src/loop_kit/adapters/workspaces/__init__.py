"""Where agents and verify commands work: clones of their own, outside the user's tree."""
