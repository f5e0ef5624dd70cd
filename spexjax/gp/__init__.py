"""Gaussian processes on the hypercube: kernels, posteriors, and all that has a closed form under them."""

from spexjax.gp._by_size import size_factors
from spexjax.gp._extension import derivatives
from spexjax.gp._fourier import coefficients, prior_variances, strongest_of_all, strongest_supports
from spexjax.gp._inverse import spd_inverse
from spexjax.gp._kernel import ProductKernel, combine, components, gram, signs, terms
from spexjax.gp._neighbours import neighbours
from spexjax.gp._posterior import (
    Posterior,
    condition,
    errors_of_others,
    host_gram,
    host_inverse,
    leave_one_out,
    leave_one_out_variances,
    robust_condition,
)
from spexjax.gp._surrogate import Process, Surrogate

__all__ = [
    "Posterior",
    "Process",
    "ProductKernel",
    "Surrogate",
    "coefficients",
    "combine",
    "components",
    "condition",
    "derivatives",
    "errors_of_others",
    "gram",
    "host_gram",
    "host_inverse",
    "leave_one_out",
    "leave_one_out_variances",
    "neighbours",
    "prior_variances",
    "robust_condition",
    "signs",
    "size_factors",
    "spd_inverse",
    "strongest_of_all",
    "strongest_supports",
    "terms",
]
