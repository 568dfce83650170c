"""The command line: one module per command, each of which prints and maps errors to exit codes."""
