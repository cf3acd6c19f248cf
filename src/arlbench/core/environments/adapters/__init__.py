"""One adapter for each framework, and code that only adapters share."""
