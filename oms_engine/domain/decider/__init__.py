"""What a command decides and what an event changes."""
