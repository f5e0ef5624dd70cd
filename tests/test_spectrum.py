"""The spectrum against brute force, in every form and size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

from spexjax import spectrum as module
from spexjax.spectrum import (
    EMPTY_SET,
    Spectrum,
    characters,
    evaluate,
    joined_supports,
    mask_numbers,
    numbered_masks,
    padded_support,
    unique_rows,
)


def random_terms(n, count, order, seed=0):
    rng = np.random.default_rng(seed)
    sets = {
        tuple(sorted(rng.choice(n, min(n, rng.integers(0, order + 1)), replace=False).tolist())) for _ in range(count)
    }
    return {s: float(rng.normal()) for s in sets}


def brute_force(terms, masks):
    return sum((c * (-1.0) ** masks[:, list(s)].sum(1) for s, c in terms.items()), np.zeros(len(masks)))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10])
def test_evaluation_equals_the_definition(n):
    terms, masks = random_terms(n, 30, n), all_masks(n)
    spectrum = Spectrum.from_dict(terms, n)
    values = spectrum(masks)
    np.testing.assert_allclose(values, brute_force(terms, masks), atol=1e-5)
    np.testing.assert_allclose(jax.jit(evaluate)(spectrum, masks), values, atol=1e-5)
    signs = characters(spectrum.support, masks)
    np.testing.assert_allclose(signs @ spectrum.coefficients, values, atol=1e-5)


@pytest.mark.parametrize("form", [module._odd_by_matmul, module._odd_by_gathers])
def test_both_forms_of_parity_equal_the_definition(form):
    terms, masks = random_terms(40, 200, 5), np.random.default_rng(1).random((333, 40)) < 0.5
    support = jnp.asarray(Spectrum.from_dict(terms, 40).support)
    expected = [[sum(x[i] for i in s if i < 40) % 2 for x in masks] for s in support.tolist()]
    np.testing.assert_array_equal(form(support, jnp.asarray(masks)), expected)


def test_the_form_of_parity_is_chosen_for_the_platform_it_is_lowered_for():
    """On a CPU gathers win for these shapes, elsewhere matmuls, wherever the program is traced."""
    spectrum = Spectrum.from_dict(random_terms(40, 200, 5), 40)
    traced = jax.jit(evaluate).trace(spectrum, jnp.zeros((333, 40), bool))
    products = {p: traced.lower(lowering_platforms=(p,)).as_text().count("dot_general") for p in ("cpu", "cuda", "tpu")}
    assert products["cpu"] < products["cuda"] == products["tpu"]


def test_ragged_blocks(monkeypatch):
    """Masks are taken in blocks whose last one overlaps; every row is right all the same."""
    terms, masks = random_terms(12, 50, 4), np.random.default_rng(1).random((101, 12)) < 0.5
    spectrum = Spectrum.from_dict(terms, 12)
    monkeypatch.setattr(module, "_BLOCK", 7 * len(spectrum))
    jax.clear_caches()
    np.testing.assert_allclose(evaluate(spectrum, masks), brute_force(terms, masks), atol=1e-5)
    jax.clear_caches()


def test_vmap_over_coefficients_and_grad():
    spectrum, masks = Spectrum.from_dict({(): 1.0, (0,): 2.0, (0, 2): 3.0}, 3), all_masks(3)
    batch = jnp.arange(6.0).reshape(2, 3)
    values = jax.vmap(lambda c: Spectrum(spectrum.support, c, 3)(masks))(batch)
    np.testing.assert_allclose(values[1], Spectrum(spectrum.support, batch[1], 3)(masks), atol=1e-6)
    jacobian = jax.jacfwd(lambda c: Spectrum(spectrum.support, c, 3)(masks))(spectrum.coefficients)
    np.testing.assert_allclose(jacobian, characters(spectrum.support, masks), atol=1e-6)


def test_empty_ones():
    assert Spectrum.from_dict({}, 4)(all_masks(4)).tolist() == [0.0] * 16
    assert Spectrum.from_dict({(): 2.0}, 4)(all_masks(4)[:0]).shape == (0,)
    assert Spectrum.from_dict({(): 2.0}, 4)(all_masks(4)[:1]).tolist() == [2.0]


def test_fifty_thousand_features_in_bounded_memory():
    n, m, k = 50_000, 10_000, 1_000
    rng = np.random.default_rng(0)
    support = np.sort(rng.integers(0, n, (k, 5)), axis=1).astype(np.int32)
    spectrum = Spectrum(jnp.asarray(support), jnp.asarray(rng.normal(size=k), jnp.float32), n)
    masks = jnp.asarray(rng.integers(0, 2, (m, n), np.uint8).astype(bool))
    memory = module._evaluate.lower(spectrum, masks).compile().memory_analysis().temp_size_in_bytes
    assert memory < 64 << 20  # the masks themselves are 500 MB
    some = slice(0, m, 997)
    terms = dict(zip(map(tuple, support.tolist()), spectrum.coefficients.tolist(), strict=True))
    np.testing.assert_allclose(spectrum(masks)[some], brute_force(terms, np.asarray(masks[some])), atol=1e-3)


def test_same_shapes_compile_once():
    masks = all_masks(6)
    spectra = [Spectrum(jnp.array([[0, 1], [2, 6]]), jnp.array([1.0, c]), 6) for c in (2.0, 3.0)]
    spectra[0](masks)
    before = module._evaluate._cache_size()
    spectra[1](masks)
    assert module._evaluate._cache_size() == before


def test_merge_truncate_energy_and_dicts():
    a = Spectrum.from_dict({(): 1.0, (0,): -3.0, (1, 2): 0.5}, 3)
    b = Spectrum.from_dict({(2, 1): 0.25, (0, 1, 2): 2.0}, 3)
    total = a.merge(b, a.scale(-1.0)).to_dict()
    assert total == {(): 0.0, (0,): 0.0, (1, 2): 0.25, (0, 1, 2): 2.0}
    np.testing.assert_allclose(a.merge(b)(all_masks(3)), a(all_masks(3)) + b(all_masks(3)), atol=1e-6)
    assert a.truncate(2).to_dict() == {(): 1.0, (0,): -3.0}
    assert len(a.truncate(99)) == 3
    assert a.energy_by_order().tolist() == [1.0, 9.0, 0.25]
    assert abs(float(np.var(a(all_masks(3)))) - a.energy_by_order()[1:].sum()) < 1e-5
    assert Spectrum.from_dict(a.to_dict(), 3).to_dict() == a.to_dict()
    leaves, tree = jax.tree.flatten(a)
    assert jax.tree.unflatten(tree, leaves).to_dict() == a.to_dict()


def test_mistakes_are_named(unchecked):
    with pytest.raises(ValueError, match=r"not a set of features out of 0\.\.2"):
        Spectrum.from_dict({(0, 3): 1.0}, 3)
    with pytest.raises(ValueError, match="not a set"):
        Spectrum.from_dict({(1, 1): 1.0}, 3)
    for terms in ({0: 1.0}, {"ab": 1.0}, {(0.5,): 1.0}, {(0,): None}):
        with pytest.raises(ValueError, match="Terms map tuples of features to numbers"):
            Spectrum.from_dict(terms, 3)
    with pytest.raises(ValueError, match="given twice"):
        Spectrum.from_dict({(0, 1): 1.0, (1, 0): 2.0}, 3)
    with pytest.raises(ValueError, match=r"Masks must be \[m, 3\], for 3 features, .* got \(16, 4\)"):
        Spectrum.from_dict({(0,): 1.0}, 3)(all_masks(4))
    with pytest.raises(ValueError, match="same features"):
        Spectrum.from_dict({(0,): 1.0}, 3).merge(Spectrum.from_dict({(0,): 1.0}, 4))


def test_unique_rows_equals_numpy():
    rows = np.random.default_rng(0).integers(0, 3, (60, 3))
    distinct, inverse = unique_rows(rows)
    np.testing.assert_array_equal(distinct, np.unique(rows, axis=0))
    np.testing.assert_array_equal(distinct[inverse], rows)
    for shape in [(0, 3), (4, 0), (1, 2)]:
        distinct, inverse = unique_rows(np.zeros(shape, int))
        assert len(distinct) == min(1, shape[0])
        assert len(inverse) == shape[0]


def test_supports_are_padded_and_joined():
    sets = np.array([[0, 3]], np.int32)
    for support in (sets, jnp.asarray(sets)):
        padded = padded_support(support, 5, width=3, rows=2)
        assert isinstance(padded, type(support))
        np.testing.assert_array_equal(padded, [[0, 3, 5], [5, 5, 5]])
        np.testing.assert_array_equal(padded_support(support, 5, width=1, rows=0), sets)  # never cut
    np.testing.assert_array_equal(joined_supports([EMPTY_SET, sets, sets[:, :1]], 5), [[5, 5], [0, 3], [0, 5]])
    assert joined_supports([], 5).shape == (0, 0)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_masks_and_their_numbers(n):
    masks = all_masks(n)
    assert masks.shape == (2**n, n)
    np.testing.assert_array_equal(mask_numbers(masks), np.arange(2**n))
    np.testing.assert_array_equal(numbered_masks(mask_numbers(masks[::-1]), n), masks[::-1])
