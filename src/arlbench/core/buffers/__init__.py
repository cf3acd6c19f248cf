"""Experience replay, uniform and prioritised, over one state of flashbax's type."""
