"""Flax language models with gates, and how to load them."""

from spexjax.models.config import TransformerConfig
from spexjax.models.generate import greedy_answer
from spexjax.models.language_model import LanguageModel, load_model
from spexjax.models.sharding import tensor_parallel
from spexjax.models.transformer import Gates, Prefix, Transformer, run_prefix

__all__ = [
    "Gates",
    "LanguageModel",
    "Prefix",
    "Transformer",
    "TransformerConfig",
    "greedy_answer",
    "load_model",
    "run_prefix",
    "tensor_parallel",
]
