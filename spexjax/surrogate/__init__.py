"""What a differentiable proxy leaves behind: a Gaussian process posterior, and all that has a closed form in it."""

from spexjax.surrogate.by_size import size_factors
from spexjax.surrogate.extension import derivatives
from spexjax.surrogate.fourier import coefficients, prior_variances, strongest_of_all, strongest_supports
from spexjax.surrogate.inverse import spd_inverse
from spexjax.surrogate.kernel import ProductKernel, combine, components, gram, signs, terms
from spexjax.surrogate.neighbours import neighbours
from spexjax.surrogate.posterior import (
    Posterior,
    condition,
    errors_of_others,
    host_gram,
    host_inverse,
    leave_one_out,
    leave_one_out_variances,
    robust_condition,
)
from spexjax.surrogate.surrogate import Process, Surrogate

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
