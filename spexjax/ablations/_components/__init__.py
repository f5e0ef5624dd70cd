"""The lens on attention heads and MLPs."""
