"""Agreement of explanations: against set arithmetic and scipy's Spearman correlation."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from spexjax.metrics import agreement


def test_random_tables_against_sets_and_scipy():
    rng = np.random.default_rng(0)
    tables = [{(int(i),): rng.normal() for i in rng.permutation(9)[:7]} | {(): 9.0} for _ in range(4)]
    k, jaccards, correlations = 4, [], []
    for a, b in combinations(tables, 2):
        tops = [{s for s, _ in sorted(t.items(), key=lambda item: -abs(item[1])) if s} for t in (a, b)]
        tops = [set(sorted(top, key=lambda s, t=t: -abs(t[s]))[:k]) for top, t in zip(tops, (a, b), strict=True)]
        union = sorted(tops[0] | tops[1])
        jaccards.append(len(tops[0] & tops[1]) / len(union))
        correlations.append(spearmanr(*([abs(t.get(s, 0)) for s in union] for t in (a, b))).statistic)
    assert agreement(tables, k) == pytest.approx((np.mean(jaccards), np.mean(correlations)))


def test_the_same_and_the_disjoint():
    table = {(i,): float(i + 1) for i in range(20)}
    assert agreement([table, table, table]) == pytest.approx((1.0, 1.0))
    assert agreement([table, {s: -v for s, v in table.items()}]) == pytest.approx((1.0, 1.0))
    assert agreement([{(0,): 1.0}, {(1,): 1.0}]) == (0.0, pytest.approx(-1.0))
    assert agreement([{}, {}]) == (1.0, 1.0)
    assert agreement([{}, table]) == (0.0, 0.0)
    assert agreement([{(3,): 2.0}, {(3,): 1.0}]) == (1.0, 1.0)


def test_mistakes_are_named():
    for tables, k in (([{}], 3), ([{}, {}], 0)):
        with pytest.raises(ValueError, match="two or more tables"):
            agreement(tables, k)
