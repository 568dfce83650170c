"""What a person or an event asks for, one file for each."""
