"""The learning algorithms and everything they are built on."""
