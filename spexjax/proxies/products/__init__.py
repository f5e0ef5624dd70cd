"""Sums of product functions, for more masks than a kernel matrix can hold."""

from spexjax.proxies.products._products import Products, fit_products, products_spectrum
from spexjax.proxies.products._sum_of_products import SumOfProducts, sum_of_products

__all__ = ["Products", "SumOfProducts", "fit_products", "products_spectrum", "sum_of_products"]
