"""ProxySPEX as published: boosted trees and their exact Fourier transform."""

from spexjax.proxies.trees._boosted_trees import BoostedTrees, boosted_trees

__all__ = ["BoostedTrees", "boosted_trees"]
