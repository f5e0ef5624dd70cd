"""Pictures look as they did: compared with small ones in `baseline`, made by `make_baselines.py`."""

import matplotlib.image
import numpy as np
import pytest
from make_baselines import BASELINE, SIZE, pixels
from pictures import PICTURES

BLOCK = 4  # pixels: fonts are drawn a little differently by each version of matplotlib
TOLERANCE = 0.035  # root mean square, of the range from black to white


def blocks(picture, shape):
    """Mean brightness of blocks, of a picture cut or filled with white to a shape."""
    whole = np.ones((*shape, 3))
    part = picture[: shape[0], : shape[1]]
    whole[: part.shape[0], : part.shape[1]] = part
    return whole.reshape(shape[0] // BLOCK, BLOCK, shape[1] // BLOCK, BLOCK, 3).mean((1, 3))


def distance(a, b):
    shape = [-(-max(sizes) // BLOCK) * BLOCK for sizes in zip(a.shape[:2], b.shape[:2], strict=True)]
    return float(np.sqrt(np.mean((blocks(a, shape) - blocks(b, shape)) ** 2)))


@pytest.mark.parametrize("name", PICTURES)
def test_looks_as_it_did(name):
    if name.startswith("network"):
        pytest.importorskip("networkx", reason="pip install 'spexjax[plots]'")
    before = matplotlib.image.imread(BASELINE / f"{name}.png")[..., :3]
    now = pixels(PICTURES[name](SIZE))
    assert max(abs(a - b) for a, b in zip(before.shape[:2], now.shape[:2], strict=True)) <= 6
    assert distance(before, now) < TOLERANCE


@pytest.mark.parametrize("name", sorted(set(PICTURES) - {"network", "network_force"}))
def test_another_picture_looks_different(name):
    before = matplotlib.image.imread(BASELINE / f"{name}.png")[..., :3]
    assert distance(before, pixels(PICTURES[name](3))) > 1.2 * TOLERANCE


def test_baselines_are_small():
    assert {path.stem for path in BASELINE.glob("*.png")} == set(PICTURES)
    assert sum(path.stat().st_size for path in BASELINE.glob("*.png")) < 100_000
