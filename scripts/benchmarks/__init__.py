"""What can be measured: one module per subject, the figures they give, and the work they do."""
