"""An embedded, event-sourced order management engine."""
