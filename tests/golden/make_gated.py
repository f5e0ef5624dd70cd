"""Makes `gated.json`: what transformers + torch with hooks say of the tiny models when heads and MLPs are removed.

Needs torch and transformers; run by hand, its output is committed. Each prompt is run alone, each mask alone:

    python tests/golden/make_gated.py
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
PROMPTS = ["The quick brown fox", "The quick brown dog paid $67.89", "The quick fox", "I'd say we'll see"]
ANSWERS = ["e", "a"]
LAYERS, HEADS = 3, 4


class Hooked:
    """A model whose heads (before the output projection) and MLPs are read, and set, by hooks."""

    def __init__(self, name):
        self.model = AutoModelForCausalLM.from_pretrained(HERE / name, dtype=torch.float32).eval()
        self.heads, self.mlps = {}, {}
        self.set_heads = self.set_mlps = None
        for i, layer in enumerate(self.model.model.layers):
            layer.self_attn.o_proj.register_forward_pre_hook(lambda _, args, i=i: (self._heads(i, args[0]),))
            layer.mlp.register_forward_hook(lambda _, args, out, i=i: self._mlp(i, out))

    def _heads(self, i, x):
        x = x.unflatten(-1, (HEADS, -1))
        self.heads[i] = x
        return (x if self.set_heads is None else self.set_heads(i, x)).flatten(-2)

    def _mlp(self, i, x):
        self.mlps[i] = x
        return x if self.set_mlps is None else self.set_mlps(i, x)

    def __call__(self, ids, heads=None, mlps=None):
        self.set_heads, self.set_mlps = heads, mlps
        return self.model(torch.tensor([ids])).logits[0]


def aligned(ids, reference):
    """Which token of the reference each token is aligned with: a common beginning with itself, the rest from the end.

    The reference may run out of its own rest; then its first token counts, and without any, its last token.
    """
    same = 0
    while same < min(len(ids), len(reference)) and ids[same] == reference[same]:
        same += 1
    places = list(range(same))
    for from_end in range(len(ids) - same, 0, -1):
        place = len(reference) - from_end
        places.append(place if place >= same else min(same, len(reference) - 1))
    return places


def logits(hooked, sequences, index, fill, rescale, head_kept, mlp_kept):
    """The last logits of one prompt under one mask."""
    ids, heads, mlps = sequences[index], [], []
    if fill == "mean":
        for s in sequences:
            hooked(s)
            heads.append(torch.stack([hooked.heads[i][0] for i in range(LAYERS)]))
            mlps.append(torch.stack([hooked.mlps[i][0] for i in range(LAYERS)]))
        heads, mlps = torch.cat(heads, 1).mean(1, keepdim=True), torch.cat(mlps, 1).mean(1, keepdim=True)
    if fill == "resample":
        other = sequences[(index + 1) % len(sequences)]
        places = aligned(ids, other)
        hooked(other)
        heads = torch.stack([hooked.heads[i][0, places] for i in range(LAYERS)])
        mlps = torch.stack([hooked.mlps[i][0, places] for i in range(LAYERS)])

    def gate_heads(i, x):
        kept = torch.tensor(head_kept[i])
        out = x * (HEADS / max(sum(head_kept[i]), 1) if rescale else 1.0)
        return torch.where(kept[:, None], out, 0.0 if fill == "zero" else heads[i])

    def gate_mlp(i, x):
        return x if mlp_kept[i] else torch.zeros_like(x) if fill == "zero" else mlps[i].expand_as(x[0])[None]

    return hooked(ids, gate_heads, gate_mlp)[-1]


@torch.no_grad()
def main():
    generator = torch.Generator().manual_seed(0)
    head_masks = torch.rand(5, LAYERS, HEADS, generator=generator) < 0.6
    mlp_masks = torch.rand(5, LAYERS, generator=generator) < 0.6
    head_masks[0], mlp_masks[0] = True, True
    head_masks[1, 1] = False  # a layer without heads
    records = []
    for name in ("tiny_llama3", "tiny_qwen2"):
        hooked = Hooked(name)
        tokenizer = AutoTokenizer.from_pretrained(HERE / name)
        sequences = tokenizer(PROMPTS)["input_ids"]
        targets = [ids[0] for ids in tokenizer(ANSWERS)["input_ids"]]
        for fill, rescale in (("zero", False), ("zero", True), ("mean", False), ("resample", False)):
            found = torch.stack(
                [
                    torch.stack([logits(hooked, sequences, i, fill, rescale, h, m) for i in range(len(sequences))])
                    for h, m in zip(head_masks.tolist(), mlp_masks.tolist(), strict=True)
                ]
            )  # [mask, prompt, vocabulary]
            log_p = found.log_softmax(-1)[..., targets[0]].mean(1)
            difference = found[..., targets[0]] - found[..., targets[1]]
            records.append(
                {
                    "model": name,
                    "fill": fill,
                    "rescale": rescale,
                    "logit-difference": difference.mean(1).tolist(),
                    "accuracy": (difference > 0).float().mean(1).tolist(),
                    "log-probability": log_p.tolist(),
                }
            )
    masks = {"heads": head_masks.int().tolist(), "mlps": mlp_masks.int().tolist()}
    result = {"prompts": PROMPTS, "answers": ANSWERS, **masks, "cases": records}
    (HERE / "gated.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
