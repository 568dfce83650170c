"""What the checks of a commit mean for the loop: checks, commit statuses, and their logs."""
