"""Architectures: how the files of each model family describe the `Transformer` that runs it."""

import dataclasses
from collections.abc import Callable, Mapping, Set
from types import MappingProxyType
from typing import Any, NamedTuple

from spexjax.models._bounds import shown
from spexjax.models._config import TransformerConfig
from spexjax.models._stored import Stored

LLAMA_TENSORS: Mapping[str, str] = MappingProxyType(
    {
        "embedding": "model.embed_tokens",
        "norm": "model.norm",
        "head": "lm_head",
        "attention.query": "model.layers.{layer}.self_attn.q_proj",
        "attention.key": "model.layers.{layer}.self_attn.k_proj",
        "attention.value": "model.layers.{layer}.self_attn.v_proj",
        "attention.output": "model.layers.{layer}.self_attn.o_proj",
        "mlp.gate": "model.layers.{layer}.mlp.gate_proj",
        "mlp.up": "model.layers.{layer}.mlp.up_proj",
        "mlp.down": "model.layers.{layer}.mlp.down_proj",
        "attention_norm": "model.layers.{layer}.input_layernorm",
        "mlp_norm": "model.layers.{layer}.post_attention_layernorm",
    }
)


FURTHER_TENSORS = frozenset(  # of families that are not quite Llama
    {
        "positions",
        "attention.query_norm",
        "attention.key_norm",
        "attention_post_norm",
        "mlp_post_norm",
        "mlp.router",
    }
)


class Biases(NamedTuple):
    """Which linear maps of a layer have a bias."""

    qkv: bool = False
    output: bool = False
    mlp: bool = False


def stored_biases(modules: Set[str]) -> Biases:
    """The biases that a GGUF file holds, `modules` being those that have one ("attn_q", "ffn_up", ...)."""
    return Biases(
        qkv=not modules.isdisjoint({"attn_q", "attn_k", "attn_v", "attn_qkv"}),
        output="attn_output" in modules,
        mlp=not modules.isdisjoint({"ffn_gate", "ffn_up", "ffn_down"}),
    )


@dataclasses.dataclass(frozen=True)
class GGUFForm:
    """How GGUF files store a family.

    Attributes:
      name: `general.architecture` in the metadata.
      neighbours: whether the two rows of a rotary pair in query and key weights are neighbours, (2i, 2i + 1), and not
        half a head apart, (i, i + hd/2).
      rope_divisors: whether a tensor `rope_freqs.weight` may hold a divisor for each rotary frequency.
      biases: the biases of a model, from the names of the modules for which the file holds one.
      fields: of the `TransformerConfig` that are the same for all models of the family.
      more: gives those that depend on the file, from the open file and the sizes.
      keys: the metadata that `more` reads and other families do not have.
      modules: the file's names of modules that Llama does not have, and the names of these in `Architecture.tensors`.
        If a module has two names, the file's is that of the two which it holds.
      theta: RoPE's base where the file has none.
      windowed: whether `more` honours the sliding window; otherwise no sequence is longer than the window.
      partial: whether RoPE may rotate only the first dimensions of a head.
      rope_factors: whether tensors `rope_factors_short.weight` and `rope_factors_long.weight` may hold divisors of
        LongRoPE; sequences are then as long as the original context.
      epsilon: the key of the norms' epsilon.
      joined: the file's names of modules that `stored` cuts into others.
      stored: gives the tensors of a file the names and shapes of the modules, where several are stored in one.
    """

    name: str
    neighbours: bool = False
    rope_divisors: bool = False
    biases: Callable[[Set[str]], Biases] = stored_biases
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    more: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] | None = None
    keys: Set[str] = frozenset()
    modules: Mapping[str, str] = dataclasses.field(default_factory=dict)
    theta: float = 10_000.0
    windowed: bool = False
    partial: bool = False
    rope_factors: bool = False
    epsilon: str = "attention.layer_norm_rms_epsilon"
    joined: Set[str] = frozenset()
    stored: Callable[[TransformerConfig, Stored], Stored] = lambda config, stored: stored


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A family of models that `Transformer` can run.

    Attributes:
      name: `model_type` in config.json.
      config: reads a config.json, given as a dictionary; raises ValueError for what `Transformer` does not run.
      tensors: the checkpoint's name of each module of the `Transformer`, without ".weight" or ".bias"; `{layer}` is the
        layer's number, from 0. Linear weights are stored as `[out, in]`.
      gguf: how GGUF files store the family; None if they are not read.
      stored: gives the tensors of a checkpoint the names and shapes of `tensors`, where a family stores several in one.

    >>> def config(record):
    ...     frequencies = tuple(10_000.0 ** (-i / 4) for i in range(4))
    ...     sizes = {"num_layers": record["depth"], "num_heads": 4, "num_kv_heads": 4, "head_dim": 8}
    ...     sizes |= {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "max_length": 512}
    ...     return TransformerConfig(**sizes, norm_epsilon=1e-5, tie_embeddings=True, rope_frequencies=frequencies)
    >>> mine = Architecture("mine", config, tensors={**LLAMA_TENSORS, "embedding": "tokens"})
    >>> mine.config({"model_type": "mine", "depth": 3}).num_layers
    3
    """

    name: str
    config: Callable[[Mapping[str, Any]], TransformerConfig]
    tensors: Mapping[str, str] = dataclasses.field(default_factory=lambda: LLAMA_TENSORS)
    gguf: GGUFForm | None = None
    stored: Callable[[TransformerConfig, Stored], Stored] = lambda config, stored: stored

    def __post_init__(self):
        named = isinstance(self.name, str) and bool(self.name)
        if not (named and callable(self.config) and isinstance(self.tensors, Mapping)):
            raise ValueError("An architecture has a name, a function `config`, and a mapping `tensors`.")
        if not isinstance(self.gguf, GGUFForm | None):
            raise ValueError(f"`gguf` of the architecture {self.name} must be a GGUFForm or None.")
        if wrong := sorted((self.tensors.keys() ^ LLAMA_TENSORS.keys()) - FURTHER_TENSORS):
            raise ValueError(f"The tensors of an architecture must name {', '.join(LLAMA_TENSORS)}; see {wrong[0]!r}.")
        for stored in self.tensors.values():
            try:
                stored.format(layer=0)
            except (AttributeError, LookupError, ValueError) as error:
                raise ValueError(
                    f"{stored!r} is no name of a tensor: a text in which only {{layer}} is filled in."
                ) from error

    def read(self, record: Mapping[str, Any]) -> TransformerConfig:
        """Reads a config.json by `config`.

        Args:
          record: its content.

        Raises:
          ValueError: if `config` does, misses a key, or returns something else.
        """
        try:
            found = self.config(record)
        except KeyError as error:
            raise ValueError(f"config.json of a {self.name} model lacks {shown(error.args[0])}.") from error
        if not isinstance(found, TransformerConfig):
            raise ValueError(
                f"`config` of the architecture {self.name} must return a TransformerConfig, not {type(found).__name__}."
            )
        return found


_BY_NAME: dict[str, Architecture] = {}


def register_architecture(architecture: Architecture) -> Architecture:
    """Makes `load_model` read a family of models.

    Args:
      architecture: replaces the one of the same name.

    Returns:
      The architecture.

    Raises:
      ValueError: if it is not an `Architecture`.
    """
    if not isinstance(architecture, Architecture):
        raise ValueError(f"{architecture!r} is not an sx.models.Architecture.")
    _BY_NAME[architecture.name] = architecture
    return architecture


def architecture_names() -> tuple[str, ...]:
    """The families that `load_model` reads, those that users registered included; as `model_type` in config.json."""
    return tuple(sorted(_BY_NAME))


def of_config(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a config.json names.

    Raises:
      ValueError: if it is not registered.
    """
    name = config.get("model_type")
    if name not in list(_BY_NAME):  # a list: what is there need not be hashable
        raise ValueError(
            f"Architecture {shown(name)} (model_type in config.json) is not supported; spexjax runs decoder-only "
            f"models of the kinds {', '.join(sorted(_BY_NAME))}; ablations.text_function explains any that you call."
        )
    return _BY_NAME[name]


def family_of_gguf(name: str) -> str:
    """The family of GGUF files whose `general.architecture` has this name; the name itself if several share it.

    Args:
      name: of a registered form.
    """
    families = [a.name for a in _BY_NAME.values() if a.gguf is not None and a.gguf.name == name]
    return name if name in families or not families else families[0]


def of_gguf(name: Any) -> GGUFForm:
    """The form of GGUF files whose `general.architecture` has this name.

    Raises:
      ValueError: if no registered architecture is stored so.
    """
    forms = {a.gguf.name: a.gguf for a in _BY_NAME.values() if a.gguf is not None}
    if name not in list(forms):
        raise ValueError(f"GGUF architecture {shown(name)} is not supported; spexjax reads {', '.join(sorted(forms))}.")
    return forms[name]
