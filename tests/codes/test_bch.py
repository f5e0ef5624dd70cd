from itertools import combinations

import numpy as np
import pytest

from spexjax.codes import bch, field, parity_size, rank


def column_sums(code, sets):
    """`H 1_S` for index sets of one size."""
    return np.bitwise_xor.reduce(code.parity_check.T[np.asarray(sets)], 1)


@pytest.mark.parametrize(("n", "t"), [(1, 1), (2, 1), (3, 1), (5, 2), (7, 3), (12, 2), (15, 2), (18, 3), (20, 2)])
def test_any_2t_columns_are_independent(n, t):
    code = bch(n, t)
    for size in range(1, min(2 * t, n) + 1):
        assert column_sums(code, list(combinations(range(n), size))).any(1).all()


@pytest.mark.parametrize(("n", "t"), [(127, 3), (500, 5), (1000, 5), (10000, 8)])
def test_random_2t_columns_are_independent(n, t):
    rng, code = np.random.default_rng(n), bch(n, t)
    for size in range(1, 2 * t + 1):
        sets = [rng.choice(n, size, replace=False) for _ in range(100)]
        assert column_sums(code, sets).any(1).all()


@pytest.mark.parametrize("m", [6, 8])  # galois compiles for 3 s per field
def test_the_rows_span_those_of_galois(m):
    galois = pytest.importorskip("galois", reason="the oracle for BCH codes: pip install galois")
    n = 2**m - 1
    for t in range(1, m // 2 + 2):
        code = bch(n, t)
        reference = np.asarray(galois.BCH(n, d=2 * t + 1, extension_field=galois.GF(2**m)).H)[:, ::-1]  # falling powers
        bits = (reference[:, None] >> np.arange(m)[:, None] & 1).astype(bool).reshape(-1, n)
        assert rank(bits) == rank(np.concatenate([bits, code.parity_check])) == len(code.parity_check)


@pytest.mark.parametrize(("n", "t"), [(1, 4), (2, 1), (3, 2), (16, 5), (20, 5), (63, 5), (1000, 5), (10000, 8)])
def test_parities_determine_every_syndrome(n, t):
    code = bch(n, t)
    assert (code.num_features, code.max_order) == (n, min(t, n))
    assert 2**code.degree > n
    assert code.degree == 2 or 2 ** (code.degree - 1) <= n
    assert rank(code.parity_check) == len(code.parity_check) <= n
    odd = np.arange(1, 2 * code.max_order, 2)
    alphas = field(code.degree).exp[odd[:, None] * np.arange(n) % (2**code.degree - 1)]
    bits = alphas[:, None] >> np.arange(code.degree)[:, None] & 1
    syndromes = code.recover.astype(np.float32) @ code.parity_check.astype(np.float32) % 2
    np.testing.assert_array_equal(syndromes, bits.reshape(-1, n))


def test_known_sizes():
    sizes = {(16, 5): 16, (20, 5): 20, (63, 5): 27, (1000, 5): 50, (10000, 5): 70}
    assert {nt: parity_size(*nt) for nt in sizes} == sizes


def test_parity_size_is_the_number_of_rows():
    cases = [(n, t) for n in range(1, 131) for t in range(1, 7)]
    for n, t in [*cases, (500, 7), (511, 20), (1000, 5), (4095, 3), (10000, 8), (16383, 4)]:
        assert parity_size(n, t) == len(bch(n, t).parity_check), (n, t)


@pytest.mark.parametrize("build", [bch, parity_size])
@pytest.mark.parametrize(("n", "t", "message"), [(0, 1, "n = 0"), (16384, 1, "n = 16384"), (5, 0, "t = 0")])
def test_codes_that_do_not_exist(build, n, t, message):
    with pytest.raises(ValueError, match=message):
        build(n, t)
