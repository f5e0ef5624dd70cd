"""Objects that hold arrays are compared and hashed by what they hold."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from common import random_surrogate

import spexjax as sx
from spexjax._equality import by_content


@by_content
@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    first: object
    second: object = 0


SAME = [
    (1, 1.0),
    (float("nan"), np.float64("nan")),
    (np.float32(0.5), 0.5),
    (np.float32(0.5), jnp.float32(0.5)),
    (np.array(0.5), np.float64(0.5)),
    (np.array([1.0, np.nan]), jnp.array([1.0, np.nan])),
    (np.array([1, 2]), np.array([1.0, 2.0])),
    (np.zeros((2, 0)), np.zeros((2, 0))),
    ("x", "x"),
    ((Pair(np.arange(2)), 3), (Pair(np.arange(2)), 3)),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_equal(a, b):
    for left, right in ((Pair(a), Pair(b)), (Pair(0, a), Pair(0, b))):
        assert left == right == left
        assert hash(left) == hash(right)
        assert len({left, right}) == 1


@pytest.mark.parametrize("one", [one for pair in SAME for one in pair])
def test_unequal(one):
    for other in (2, "y", np.arange(3), np.zeros((0, 2)), np.array([1.0, 2.5]), None, (Pair(np.arange(3)), 3)):
        assert Pair(one) != Pair(other)
        assert Pair(other) != Pair(one)
    assert Pair(one) != "a pair"


def test_objects_of_the_package():
    surrogate, _, _ = random_surrogate(4, 10)
    again, _, _ = random_surrogate(4, 10)
    other, _, _ = random_surrogate(4, 10, seed=1)
    for part in (lambda s: s, lambda s: s.rest, lambda s: s.processes, lambda s: s.processes[0].kernels):
        assert part(surrogate) == part(again)
        assert hash(part(surrogate)) == hash(part(again))
    assert surrogate != other
    assert surrogate.rest.scale(2.0) == other.rest.scale(2.0)
    assert sx.Spectrum.from_dict({(0,): 1.0}, 2) != sx.Spectrum.from_dict({(0,): 1.0}, 3)
