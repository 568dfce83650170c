"""What Python loads at its start in the tests of other systems."""
