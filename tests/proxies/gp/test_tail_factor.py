"""Standard errors reach further where few masks hold the error that they are measured by."""

import numpy as np
import scipy.stats

from spexjax.proxies.gp._members import _tail_factor


def test_normal_errors_are_those_of_as_many_degrees_of_freedom():
    squares = np.random.default_rng(0).normal(size=20_000) ** 2
    assert abs(_tail_factor(squares[:10_000]) - 1) < 1e-3
    few = scipy.stats.norm.ppf((np.arange(20) + 0.5) / 20) ** 2
    assert 1.02 < _tail_factor(few) < 1.1


def test_a_single_large_error_leaves_two_degrees_of_freedom():
    squares = np.zeros(100)
    squares[3] = 5.0
    freedom = 200 / 99
    assert abs(_tail_factor(squares) - scipy.stats.t.ppf(scipy.stats.norm.cdf(2), freedom) / 2) < 1e-6
    assert 2 < _tail_factor(squares) < 2.3


def test_no_error_and_equal_errors_widen_nothing():
    assert _tail_factor(np.zeros(5)) == 1
    assert abs(_tail_factor(np.ones(5)) - 1) < 1e-6


def test_twenty_normal_errors_give_intervals_that_hold_what_they_promise():
    """95.4 % lie within two true standard errors: 93.9 % within those of 20 errors, 95.1 % with the factor."""
    known, new = np.split(np.random.default_rng(1).normal(size=(20_000, 21)), [20], axis=1)
    plain = np.sqrt((known**2).mean(1))
    wider = plain * [_tail_factor(squares) for squares in known**2]
    within = [np.mean(np.abs(new[:, 0]) < 2 * scale) for scale in (plain, wider)]
    assert within[0] < 0.942
    assert abs(within[1] - 0.954) < 0.006
