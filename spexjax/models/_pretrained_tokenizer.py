"""The tokenizer in a model's folder, read without running any code the folder carries."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spexjax.models._bounds import read_json
from spexjax.models._quiet_transformers import transformers

_LARGEST = 1 << 28  # bytes; those of large vocabularies have tens of millions
_JSON = ("tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json")
_CORES = ("tokenizer.json", "*.model", "vocab.txt", "tekken.json", "*.tiktoken")  # any, or both of _PAIR
_PAIR = ("vocab.json", "merges.txt")
_SAMPLE = (
    "It's 12 o'clock,\n naïve 日本 🎬"  # some of everything that texts contain, so that a broken tokenizer fails here
)


def load_tokenizer(folder: Path) -> Any:
    """Reads the tokenizer of a Hugging Face folder; code in the folder is never run.

    Raises:
      ValueError: if the tokenizer cannot be read, or needs code of its own.
    """
    require_vocabulary(folder)
    read = transformers().AutoTokenizer.from_pretrained
    found = {name: read_json(folder / name, _LARGEST) for name in _JSON if (folder / name).is_file()}
    try:
        return checked(lambda: read(folder, trust_remote_code=False, local_files_only=True))
    except ValueError as error:
        if "auto_map" in found.get("tokenizer_config.json", ()):
            reason = "has code of its own (auto_map in tokenizer_config.json), which is never run"
        elif "tokenizer.json" not in found and any(folder.glob("*.model")):
            reason = "has no tokenizer.json; load it with transformers where sentencepiece is installed, and save it"
        else:
            reason = f"cannot be read: {error}"
        raise ValueError(f"The tokenizer in {folder} {reason}.") from error


def require_vocabulary(folder: Path) -> None:
    """Looks whether the folder has the files of a tokenizer.

    Raises:
      ValueError: if it has none.
    """
    if not any(any(folder.glob(name)) for name in _CORES) and not all((folder / name).is_file() for name in _PAIR):
        raise ValueError(  # transformers would make some families an empty one
            f"The tokenizer in {folder} has no tokenizer.json, and no other file with a vocabulary; fetch the model "
            "again, or save its tokenizer there (save_pretrained)."
        )


def checked(build: Callable[[], Any]) -> Any:
    """The tokenizer that `build` makes, if it can encode and decode a sample.

    Raises:
      ValueError: if it cannot, for whatever reason; the message is one line without a full stop.
    """
    try:
        tokenizer = build()
        ids = tokenizer(_SAMPLE, return_offsets_mapping=True, return_attention_mask=False)["input_ids"]
        plain = tokenizer(_SAMPLE, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        tokenizer.decode(ids)
        vocabulary = tokenizer.get_vocab()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # the Rust library panics with a BaseException
        raise ValueError(f"{' '.join(str(error).split())} ({type(error).__name__})") from error
    if len(set(plain)) < 2:
        raise ValueError(
            f"it makes {'one and the same token' if plain else 'no tokens'} of a whole text, so its vocabulary is "
            "empty; fetch its files again"
        )
    if len(set(vocabulary.values())) < len(vocabulary):
        seen: dict[int, str] = {}
        token, index = next((t, i) for t, i in vocabulary.items() if seen.setdefault(i, t) != t)
        raise ValueError(f"the tokens {seen[index]!r} and {token!r} have the same id {index}")
    return tokenizer
