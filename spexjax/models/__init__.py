"""Flax language models with gates, and how to load them."""

from spexjax.models.checkpoint import save_model
from spexjax.models.config import TransformerConfig
from spexjax.models.generate import greedy_answer, next_log_probabilities
from spexjax.models.language_model import LanguageModel, load_model
from spexjax.models.memory import nodes_that_fit
from spexjax.models.sharding import tensor_parallel
from spexjax.models.transformer import Fill, Gates, Prefix, Trace, Transformer, run_prefix

__all__ = [
    "Fill",
    "Gates",
    "LanguageModel",
    "Prefix",
    "Trace",
    "Transformer",
    "TransformerConfig",
    "greedy_answer",
    "load_model",
    "next_log_probabilities",
    "nodes_that_fit",
    "run_prefix",
    "save_model",
    "tensor_parallel",
]
