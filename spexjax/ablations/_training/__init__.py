"""The lens on training examples."""
