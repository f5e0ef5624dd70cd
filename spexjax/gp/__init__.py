"""Gaussian processes on the hypercube: kernels, posteriors, and all that has a closed form under them."""

from spexjax.gp._by_size import size_factors
from spexjax.gp._extension import derivatives
from spexjax.gp._fourier import MAX_ORDER, coefficients, prior_variances, strongest_of_all, strongest_supports
from spexjax.gp._inverse import spd_inverse
from spexjax.gp._kernel import ProductKernel, combine, decays, gram, overlaps, signs, with_neighbours
from spexjax.gp._neighbours import characters_of_neighbours, neighbours
from spexjax.gp._padding import padded_signs, resized
from spexjax.gp._posterior import (
    Conditioned,
    Posterior,
    checked_condition,
    condition,
    errors_of_others,
    host_gram,
    host_inverse,
    leave_one_out,
    leave_one_out_variances,
    posterior_of,
    robust_condition,
    system_matrix,
)
from spexjax.gp._process import Process
from spexjax.gp._strings import GROUPS, Strings, padded_strings, strings
from spexjax.gp._surrogate import Surrogate

__all__ = [
    "GROUPS",
    "MAX_ORDER",
    "Conditioned",
    "Posterior",
    "Process",
    "ProductKernel",
    "Strings",
    "Surrogate",
    "characters_of_neighbours",
    "checked_condition",
    "coefficients",
    "combine",
    "condition",
    "decays",
    "derivatives",
    "errors_of_others",
    "gram",
    "host_gram",
    "host_inverse",
    "leave_one_out",
    "leave_one_out_variances",
    "neighbours",
    "overlaps",
    "padded_signs",
    "padded_strings",
    "posterior_of",
    "prior_variances",
    "resized",
    "robust_condition",
    "signs",
    "size_factors",
    "spd_inverse",
    "strings",
    "strongest_of_all",
    "strongest_supports",
    "system_matrix",
    "with_neighbours",
]
