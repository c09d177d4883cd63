"""How is a market simulated? A venue with books, a gateway to the engine, and people who send orders; from a seed."""
