"""A corpus of domain documents that can be read, searched and run."""
