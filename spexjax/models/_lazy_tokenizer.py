"""A tokenizer of transformers that does without transformers as long as it can: importing that takes half a second."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from spexjax.models._quiet_transformers import transformers

_OPTIONS = {"add_special_tokens", "return_attention_mask", "return_offsets_mapping"}


class LazyTokenizer:
    """A `transformers.PreTrainedTokenizerFast`, made when something is asked of it that its Rust core does not know.

    What is answered before that is what the whole tokenizer answers; what is set, is set on the whole tokenizer. A call
    with `return_attention_mask=False` wants ids, and perhaps offsets, alone: for these the core is enough.

    Args:
      core: a `tokenizers.Tokenizer`. It gets the named tokens as special ones.
      named: "bos_token" and the like, and the token of that name.
      chat_template: of the model.
    """

    def __init__(self, core: Any, named: Mapping[str, str], chat_template: str | None):
        from tokenizers import AddedToken

        added = {token.content for token in core.get_added_tokens_decoder().values()}
        special = list(dict.fromkeys(named.values()))
        core.add_special_tokens([AddedToken(token, special=True) for token in special if token not in added])
        known: dict[str, Callable[[], Any]] = {
            "added_tokens_decoder": core.get_added_tokens_decoder,
            "all_special_ids": lambda: [core.token_to_id(token) for token in special],
            "bos_token": lambda: named.get("bos_token"),
            "bos_token_id": lambda: core.token_to_id(named["bos_token"]) if "bos_token" in named else None,
            "chat_template": lambda: chat_template,
            "get_vocab": lambda: core.get_vocab,
            "special_tokens_map": lambda: dict(named),
            "vocab_size": lambda: core.get_vocab_size(with_added_tokens=False),
        }
        vars(self).update(_core=core, _known=known, _named=named, _template=chat_template, _made=None)

    def _whole(self) -> Any:
        if self._made is None:
            vars(self)["_made"] = transformers().PreTrainedTokenizerFast(
                tokenizer_object=self._core,
                chat_template=self._template,
                clean_up_tokenization_spaces=False,
                **self._named,
            )
        return self._made

    def __call__(self, text: Any, *args: Any, **options: Any) -> Any:
        texts = [text] if isinstance(text, str) else text
        only_ids = options.get("return_attention_mask") is False and not args and options.keys() <= _OPTIONS
        plain = isinstance(texts, list) and all(isinstance(each, str) for each in texts)
        if self._made is not None or not only_ids or not plain:
            return self._whole()(text, *args, **options)
        batch = self._core.encode_batch(texts, add_special_tokens=options.get("add_special_tokens", True))
        found = {"input_ids": [each.ids for each in batch]}
        if options.get("return_offsets_mapping"):
            found["offset_mapping"] = [each.offsets for each in batch]
        return {key: value[0] for key, value in found.items()} if isinstance(text, str) else found

    def decode(self, ids: Any, **options: Any) -> Any:
        """The text of token ids, as transformers decodes them.

        Args:
          ids: a list of them, or what else transformers takes.
          **options: of transformers.
        """
        if self._made is None and not options and isinstance(ids, list) and all(isinstance(i, int) for i in ids):
            return self._core.decode(ids, skip_special_tokens=False)
        return self._whole().decode(ids, **options)

    def __getattr__(self, name: str) -> Any:
        known = vars(self).get("_known", {})
        return known[name]() if self._made is None and name in known else getattr(self._whole(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._whole(), name, value)

    def __len__(self) -> int:
        return self._core.get_vocab_size() if self._made is None else len(self._made)

    def __repr__(self) -> str:
        return repr(self._whole())

    def __reduce__(self) -> Any:
        """Copies and pickles are those of the whole tokenizer."""
        return copy.copy, (self._whole(),)
