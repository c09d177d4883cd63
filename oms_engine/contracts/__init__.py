"""What do commands, events and records look like on the wire? Contracts in several formats, written from the models."""
