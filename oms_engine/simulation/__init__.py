"""Orders that never were: scenarios run against the real engine."""
