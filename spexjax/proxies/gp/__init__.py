"""The differentiable ProxySPEX: Gaussian processes on the hypercube, trained by gradient."""

from spexjax.proxies.gp._kernels import Kernels, kernels
from spexjax.proxies.gp._parameters import Tied, Untied
from spexjax.proxies.gp._training import fit_kernel, loss, train

__all__ = ["Kernels", "Tied", "Untied", "fit_kernel", "kernels", "loss", "train"]
