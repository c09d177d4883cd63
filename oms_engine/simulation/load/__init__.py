"""How does an engine do under load? Sessions of a simulated market in series, resumable, measured and reported."""
