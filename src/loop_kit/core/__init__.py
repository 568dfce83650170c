"""The pure heart: decides, and never touches a file, a process, a clock or the network."""
