"""The order domain: pure values and functions; time and ids come in as arguments."""
