"""What is posted, one file for each place it is posted to."""
