"""Flax language models with gates, and how to load them."""

from spexjax.models import _families  # noqa: F401  registers them
from spexjax.models._architecture import (
    LLAMA_TENSORS,
    Architecture,
    Biases,
    GGUFForm,
    architecture_names,
    register_architecture,
)
from spexjax.models._attention_mass import attention_mass
from spexjax.models._chat_template import RAW, Conversation, Rendered, chat_template, render
from spexjax.models._checkpoint import save_model
from spexjax.models._config import TransformerConfig
from spexjax.models._facts import Facts, model_facts
from spexjax.models._generate import greedy_answer, next_log_probabilities
from spexjax.models._hugging_face import complete_config, transformer_config
from spexjax.models._language_model import LanguageModel, check_model, load_model
from spexjax.models._logits import logits
from spexjax.models._memory import nodes_that_fit
from spexjax.models._sharding import tensor_parallel
from spexjax.models._transformer import Gates, Prefix, Substitute, Trace, Transformer, run_prefix

__all__ = [
    "LLAMA_TENSORS",
    "RAW",
    "Architecture",
    "Biases",
    "Conversation",
    "Facts",
    "GGUFForm",
    "Gates",
    "LanguageModel",
    "Prefix",
    "Rendered",
    "Substitute",
    "Trace",
    "Transformer",
    "TransformerConfig",
    "architecture_names",
    "attention_mass",
    "chat_template",
    "check_model",
    "complete_config",
    "greedy_answer",
    "load_model",
    "logits",
    "model_facts",
    "next_log_probabilities",
    "nodes_that_fit",
    "register_architecture",
    "render",
    "run_prefix",
    "save_model",
    "tensor_parallel",
    "transformer_config",
]
