"""What many tests need besides fixtures."""

from pathlib import Path

import numpy as np

GOLDEN, GAMES = Path(__file__).parent / "golden", Path(__file__).parent / "games"


def all_masks(n):
    """All 2^n masks, feature 0 fastest."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)
