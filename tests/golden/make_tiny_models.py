"""Makes the tiny models of this folder and what transformers + torch say of them.

Needs torch, transformers and sentencepiece, which spexjax does not; run by hand, its output is committed:

    python tests/golden/make_tiny_models.py
"""

import io
import json
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

HERE = Path(__file__).parent
SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "In 1998, 12345 people paid $67.89 (a 10% rise).",
    "  two  spaces\n\nand\ttabs; naïve café — 日本語 🙂",
    "It's not what they've said, I'd say; we'll see.",
    "",
]


def tokenizer():
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator(TEXTS * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


def make(name, model, shard="10MB"):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.5))
        ids = torch.arange(3, 90)[None] * 7 % 300
        logits = model.eval()(ids).logits[0, [0, 40, 86]]
    folder = HERE / name
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer().save_pretrained(folder)
    record = {"ids": ids[0].tolist(), "positions": [0, 40, 86], "logits": logits.tolist()}
    (HERE / f"{name}.json").write_text(json.dumps(record))


def sentence_piece():
    """A real SentencePiece BPE model's pieces and what it makes of the texts."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS[:4] * 5), model_writer=out, vocab_size=340, model_type="bpe",
        byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity",
        remove_extra_whitespaces=False, hard_vocab_limit=False,
    )  # fmt: skip
    sp = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = range(sp.get_piece_size())
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1 for i in pieces]
    record = {
        "tokens": [sp.id_to_piece(i) for i in pieces],
        "scores": [sp.get_score(i) for i in pieces],
        "token_type": kinds,
        "bos": sp.bos_id(),
        "eos": sp.eos_id(),
        "unk": sp.unk_id(),
        "texts": TEXTS,
        "ids": [sp.encode(t) for t in TEXTS],
    }
    (HERE / "sentence_piece.json").write_text(json.dumps(record, ensure_ascii=False))


if __name__ == "__main__":
    torch.manual_seed(0)
    make(
        "tiny_llama3",
        LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True)),
    )
    make("tiny_llama", LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=LLAMA3)))
    make("tiny_qwen2", Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=True)))
    make("tiny_mistral", MistralForCausalLM(MistralConfig(**SIZES, head_dim=16, sliding_window=None)), shard="60KB")
    sentence_piece()
