"""The tokenizer in a model's folder, read without running any code the folder carries."""

from pathlib import Path
from typing import Any


def load_tokenizer(folder: Path) -> Any:
    """Reads the tokenizer of a Hugging Face folder; code in the folder is never run, and nothing is asked.

    Raises:
      ValueError: if the tokenizer cannot be read, or needs code of its own.
    """
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
