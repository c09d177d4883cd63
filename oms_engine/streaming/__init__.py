"""Live subscriptions: what matches now, then every later change, once and in order."""
