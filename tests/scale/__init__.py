"""How many loops an organisation can run at once: a simulation over counts of the engine."""
