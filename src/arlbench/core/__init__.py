"""The learning algorithms and what they stand on."""
