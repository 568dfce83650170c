"""Measures loop-kit beside agent-task-runner and beside a bare shell script: `make bench`."""
