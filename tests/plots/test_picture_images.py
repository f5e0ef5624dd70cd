"""Pictures look as they did: compared with small ones in `baseline`, made by `make_baselines.py`."""

import matplotlib.image
import numpy as np
import pytest
from make_baselines import BASELINE, SIZE, pixels
from pictures import PICTURES

BLOCK = 8  # pixels
# Of the baseline's ink. The fonts of matplotlib 3.9 and 3.10 make up to 0.42, pictures of other numbers 0.58 and more.
TOLERANCE = 0.5
OTHER = {"force": 12}  # features of a picture of other numbers: 3 for most; a strip of 3 looks like one of 24


@pytest.fixture(params=PICTURES)
def name(request):
    if request.param.startswith("network"):
        pytest.importorskip("networkx", reason="pip install 'spexjax[plots]'")
    return request.param


def ink(picture, shape):
    """How dark each block is, for a picture that white fills up to a shape."""
    whole = np.zeros(shape)
    whole[: picture.shape[0], : picture.shape[1]] = 1 - picture
    return whole.reshape(shape[0] // BLOCK, BLOCK, shape[1] // BLOCK, BLOCK, 3).mean((1, 3))


def difference(before, now):
    """The root mean square of the difference, relative to that of the picture before."""
    sizes = zip(before.shape[:2], now.shape[:2], strict=True)
    shape = (*(-(-max(both) // BLOCK) * BLOCK for both in sizes), 3)
    then = ink(before, shape)
    return float(np.sqrt(np.mean((then - ink(now, shape)) ** 2) / np.mean(then**2)))


def baseline(name):
    return matplotlib.image.imread(BASELINE / f"{name}.png")[..., :3]


def test_looks_as_it_did(name):
    assert difference(baseline(name), pixels(PICTURES[name](SIZE))) < TOLERANCE


def test_other_numbers_look_different(name):
    assert difference(baseline(name), pixels(PICTURES[name](OTHER.get(name, 3)))) > TOLERANCE


def test_baselines_are_small():
    sizes = {path.stem: path.stat().st_size for path in BASELINE.glob("*.png")}
    assert set(sizes) == set(PICTURES)
    assert max(sizes.values()) < 10_000
