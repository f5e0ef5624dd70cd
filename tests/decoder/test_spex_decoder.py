"""The SPEX decoder: bins by the aliasing formula, exact recovery, noise, every status."""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax import Spectrum
from spexjax.decoder import Status, decode, decode_many
from spexjax.decoder._bins import Bins, _kth_smallest, bins_of, energy_and_spread, noise_floor, parities_of, to_bins
from spexjax.decoder._rows import fold
from spexjax.designs import subsampled, subsampled_size
from spexjax.metrics import r2


def random_spectrum(rng, n, terms, order=5):
    """Distinct sets of sizes 0..order, coefficients of magnitudes 1 to 2."""
    sets = set()
    while len(sets) < terms:
        sets.add(tuple(sorted(rng.choice(n, rng.integers(0, min(order, n) + 1), replace=False).tolist())))
    return Spectrum.from_dict({s: rng.uniform(1, 2) * rng.choice([-1, 1]) for s in sets}, n)


def signals(design, count, terms, snr=np.inf, order=5, seed=0):
    """Random spectra and their values at the design's masks, with noise of 10 log10 (variance ratio) = snr."""
    rng, masks = np.random.default_rng(seed), design.masks()
    spectra = [random_spectrum(rng, design.num_features, terms, order) for _ in range(count)]
    values = np.stack([spectrum(masks) for spectrum in spectra])
    noise = values.std(1, keepdims=True) * 10 ** (-snr / 20) * rng.normal(size=values.shape)
    return spectra, (values + noise).astype(np.float32)


def each(decoded):
    """The parts of a batch."""
    return [jax.tree.map(lambda leaf, i=i: leaf[i], decoded) for i in range(len(decoded.status))]


def terms_of(decoded):
    return {s: value for s, value in decoded.spectrum.to_dict().items() if value}


def overlap(batch, spectra):
    """Recall and precision of the supports, over all signals."""
    found = [(i, s) for i, decoded in enumerate(batch) for s in terms_of(decoded)]
    true = [(i, s) for i, spectrum in enumerate(spectra) for s in spectrum.to_dict()]
    hits = len(set(found) & set(true))
    return hits / len(true), hits / max(1, len(found))


@functools.cache
def pooled(mode="soft", **options):
    return jax.jit(jax.vmap(functools.partial(decode, mode=mode, **options), (None, 0)))


@pytest.mark.parametrize(("n", "b", "c"), [(12, 3, 2), (1, 1, 1), (40, 4, 3)])
def test_bins_are_sums_of_aliases(key, n, b, c):
    design = subsampled(key, n, b, 3, c)
    (spectrum,), values = signals(design, 1, min(30, 2**n), order=n)
    ones = np.array([np.isin(np.arange(n), s) for s in spectrum.to_dict()], int)
    parities = ones @ np.asarray(design.delays, int).T % 2
    homes = (ones @ design.mixing.astype(int).transpose(0, 2, 1) % 2) @ (1 << np.arange(b))
    expected = np.zeros((c, 1 << b, parities.shape[1]))
    for group, home in enumerate(homes):
        np.add.at(expected[group], home, np.asarray(spectrum.coefficients)[:, None] * (-1.0) ** parities)
    np.testing.assert_allclose(to_bins(design, values).rows.reshape(expected.shape), expected, atol=1e-4)
    np.testing.assert_array_equal(bins_of(design, spectrum.support), homes)
    np.testing.assert_array_equal(parities_of(design, spectrum.support), parities)


def test_noise_floor_of_empty_and_of_full_bins():
    rng = np.random.default_rng(0)
    rows, power = 3 * rng.normal(size=(2000, 51)).astype(np.float32), jnp.ones(1)
    assert noise_floor(Bins(rows, *energy_and_spread(rows)), power)[0] == pytest.approx(9, rel=0.15)
    single = rows[:400] + 100 * rng.choice([-1, 1], (400, 51)).astype(np.float32)
    # Nothing says that all bins are full, so the noise seems larger, by pi / (pi - 2) at most.
    assert 9 * 0.7 < noise_floor(Bins(single, *energy_and_spread(single)), power)[0] < 9 * 2.9


@pytest.mark.parametrize("k", [0, 3, 10])
def test_order_statistics(k):
    values = np.random.default_rng(0).exponential(size=(5, 11)).astype(np.float32) ** 20
    values[1], values[2, ::2], values[3, :4] = 0, 1.5, np.inf
    np.testing.assert_array_equal(_kth_smallest(values, k), np.sort(values)[:, k])


@pytest.mark.parametrize("chosen", [[], [4], [0, 3, 5, 6], range(7)])
def test_fold_visits_the_chosen_rows_once(chosen):
    mask = jnp.zeros(7, bool).at[jnp.array(list(chosen), int)].set(True)
    visits = fold(mask, 3, lambda at, visits: visits.at[at].add(1, mode="drop"), jnp.zeros(7, int))
    np.testing.assert_array_equal(visits, mask)


@pytest.mark.parametrize(("n", "mode"), [(20, "hard"), (1000, "soft")])
def test_exact_recovery(n, mode):
    for seed in range(2):
        design = subsampled(jax.random.key(seed), n, 8)
        spectra, values = signals(design, 10, 85, seed=seed)
        for decoded, spectrum in zip(each(pooled(mode)(design, values)), spectra, strict=True):
            true, found = spectrum.to_dict(), terms_of(decoded)
            assert found.keys() == true.keys()
            np.testing.assert_allclose([found[s] for s in true], list(true.values()), rtol=1e-4)
            assert decoded.status == Status.CONVERGED
            assert decoded.residual < 1e-9
            strength = np.abs(decoded.spectrum.coefficients)
            assert (np.diff(strength) <= 0).all()


@pytest.mark.parametrize(("snr", "hard", "soft"), [(10, 0.99, 0.99), (5, 0.9, 0.99), (0, 0.2, 0.6)])
def test_recovery_under_noise(key, snr, hard, soft):
    design = subsampled(key, 63, 6)
    spectra, values = signals(design, 8, 20, snr)
    for mode, least in (("hard", hard), ("soft", soft)):
        recall, precision = overlap(each(pooled(mode)(design, values)), spectra)
        assert recall >= least
        assert precision > 0.99


def test_many_small_coefficients_count_as_noise(key):
    design = subsampled(key, 63, 6)
    spectra, values = signals(design, 8, 15)
    crowd = random_spectrum(np.random.default_rng(1), 63, 3000).scale(0.01)(design.masks())
    recall, precision = overlap(each(pooled()(design, values + crowd)), spectra)
    assert recall == 1
    assert precision > 0.98


def test_nothing_to_find(key):
    design = subsampled(key, 63, 6)
    values = np.random.default_rng(0).normal(size=(8, subsampled_size(63, 6))).astype(np.float32)
    values[0] = 0
    decoded = pooled()(design, values)
    assert (decoded.status == Status.NOTHING_FOUND).all()
    assert (decoded.spectrum.coefficients == 0).all()
    assert (decoded.spectrum.support == 63).all()
    assert decoded.residual[0] == 0


def test_more_terms_than_fit(key):
    design = subsampled(key, 10, 3, 2)
    (spectrum,), values = signals(design, 1, 6, order=2)
    decoded = decode(design, values[0], mode="hard", max_terms=4)
    assert decoded.status == Status.MORE_THAN_FIT
    found = terms_of(decoded)
    assert len(found) == 4
    assert found == pytest.approx(dict(sorted(spectrum.to_dict().items(), key=lambda term: -abs(term[1]))[:4]))
    decoded = decode(design, values[0], mode="hard", max_terms=100)
    assert (len(decoded.spectrum), decoded.status) == (100, Status.CONVERGED)
    assert terms_of(decoded) == pytest.approx(spectrum.to_dict())


def test_too_many_terms_for_the_bins(key):
    design = subsampled(key, 63, 6)
    spectra, values = signals(design, 8, 220)
    decoded = pooled()(design, values)
    assert (decoded.status == Status.NOT_CONVERGED).all()
    assert (decoded.residual > 0.3).all()
    recall, precision = overlap(each(decoded), spectra)
    assert recall * precision < 0.5
    assert (np.asarray(decoded.spectrum.coefficients != 0).sum(-1) < 100).all()


def test_rounds_run_out(key):
    design = subsampled(key, 10, 3, 2)
    _, values = signals(design, 1, 6, order=2)
    decoded = decode(design, values[0], mode="hard", max_rounds=1)
    assert (decoded.rounds, decoded.status) == (1, Status.NOT_CONVERGED)


def test_orders_above_t_are_left_alone(key):
    design = subsampled(key, 63, 6)
    spectra, values = signals(design, 8, 20, order=8)
    decoded = pooled()(design, values)
    recall, precision = overlap(each(decoded), spectra)
    assert recall > 0.4
    assert precision > 0.97
    assert (decoded.status == Status.NOT_CONVERGED).all()


@pytest.mark.parametrize(("n", "c"), [(1, 3), (2, 1), (3, 3)])
def test_the_smallest_functions(key, n, c):
    design = subsampled(key, n, n, n, c)
    (spectrum,), values = signals(design, 1, 2**n, order=n)
    decoded = decode(design, values[0], mode="hard")
    assert terms_of(decoded) == pytest.approx(spectrum.to_dict(), rel=1e-4)
    assert decoded.status == Status.CONVERGED


def test_one_by_one_pooled_and_nested(key):
    design = subsampled(key, 10, 3, 2)
    _, values = signals(design, 6, 4, 5, order=2)
    one = functools.partial(decode, mode="hard")
    alone = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[one(design, v) for v in values])
    nested = jax.vmap(jax.vmap(one, (None, 0)), (None, 0))(design, values.reshape(2, 3, -1))
    for other in (pooled("hard")(design, values), jax.tree.map(lambda leaf: leaf.reshape(6, *leaf.shape[2:]), nested)):
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), other, alone)


@pytest.mark.parametrize(("name", "size"), [("_CACHED", 25), ("_CPU", 3), ("_CPU", 4096)])
def test_part_by_part(key, monkeypatch, name, size):
    """On a CPU, more signals than its cache holds are decoded in parts, and few rows are worked on at a time."""
    monkeypatch.setattr(sys.modules["spexjax.decoder._decode"], name, size)
    design = subsampled(key, 10, 3, 2)
    _, values = signals(design, 6, 4, 5, order=2)
    other = pooled("hard", max_rounds=100 + size)  # another program, since that of 100 rounds may be there already
    jax.tree.map(np.testing.assert_array_equal, other(design, values), pooled("hard")(design, values))


def test_a_batch_of_designs(key):
    designs = [subsampled(k, 10, 3, 2) for k in jax.random.split(key)]
    values = np.stack([signals(design, 1, 4, order=2)[1][0] for design in designs])
    one = functools.partial(decode, mode="hard")

    def with_matrices(mixing, values):
        return one(dataclasses.replace(designs[0], mixing=mixing), values)

    batch = each(jax.vmap(with_matrices)(np.stack([d.mixing for d in designs]), values))
    for decoded, design, v in zip(batch, designs, values, strict=True):
        assert terms_of(decoded) == pytest.approx(terms_of(one(design, v)))


def test_a_second_call_does_not_compile(key):
    first, second = (subsampled(k, 10, 3, 2) for k in jax.random.split(key))
    decode(first, signals(first, 1, 4, order=2)[1][0], mode="hard")
    programs = decode._cache_size()
    decode(second, signals(second, 1, 3, order=2)[1][0], mode="hard")
    assert decode._cache_size() == programs


def test_mistakes_are_named(key):
    design = subsampled(key, 10, 3, 2)
    values = np.zeros(subsampled_size(10, 3, 2), np.float32)
    with pytest.raises(ValueError, match="there are 5 values"):
        decode(design, values[:5])
    assert decode(design, np.full_like(values, np.nan), mode="hard").status == Status.NOT_CONVERGED
    with pytest.raises(ValueError, match="take at least 1"):
        decode(design, values, max_terms=0)
    with pytest.raises(ValueError, match="no signal to decode"):
        decode_many(design, np.zeros((0, len(values)), np.float32))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_strong_coefficients_that_share_their_bins(game, seed, mode):
    """A real game (14 features) has a few strong coefficients among hundreds of weak ones, which fill every bin."""
    masks, truth = game("exact_tabular_a")
    design = subsampled(jax.random.key(seed), 14, 6)
    by_code = np.zeros(1 << 14, np.float32)
    bits = 1 << np.arange(14)
    by_code[masks @ bits] = truth
    decoded = decode(design, by_code[np.asarray(design.masks()) @ bits], mode=mode)
    assert r2(truth, np.asarray(decoded.spectrum(masks))) > 0.98
