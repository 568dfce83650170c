"""What differs where loop-kit does not run on Linux."""
