"""Experience replay, uniform and prioritised, with a state of flashbax's type."""
