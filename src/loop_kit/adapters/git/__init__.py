"""Git repositories: commands, clones, remotes, the state branch."""
