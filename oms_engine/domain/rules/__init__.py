"""What must hold, rule by rule."""
