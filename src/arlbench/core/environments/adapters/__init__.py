"""One adapter for each framework, and what only adapters share."""
