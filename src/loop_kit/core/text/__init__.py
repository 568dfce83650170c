"""Text from outside: what is invisible, commands a runner, GitHub and git, or breaks a post."""
