"""How many ablations of attention heads a second: spexjax against torch with hooks, the same masks, in one run.

All 270 heads of SmolLM2-135M, 16 prompts that share a few-shot template. torch runs transformers' LlamaForCausalLM in
float32 on all cores with sdpa; a pre-hook on each output projection multiplies every row's heads by gates of its own,
so that masks x prompts are one batch. It is measured with one mask a call, with several, and with the template run
once a mask and its keys and values repeated for all prompts, which hooks do not hinder; the best of these is quoted.

    python benchmarks/component_speed.py --masks 12
"""

import argparse
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from common import RESULTS_FOLDER
from throughput import torch_model

import spexjax as sx
from spexjax.ablations._components._prompt_set import plant
from spexjax.evaluation import run
from spexjax.models._language_model import smollm2_path

SHOTS = [
    ("I loved every minute of it, from the first scene to the last.", "Positive"),
    ("The plot made no sense and the jokes fell flat.", "Negative"),
    ("A warm, funny and beautifully acted film.", "Positive"),
    ("Two hours of my life that I will never get back.", "Negative"),
    ("The music alone is worth the ticket.", "Positive"),
    ("It is loud, long and painfully dull.", "Negative"),
    ("One of the best films of the year.", "Positive"),
]
REVIEWS = [
    "A gem of a movie.",
    "I fell asleep halfway through.",
    "The cast is wonderful.",
    "The dialogue is wooden and the ending is worse.",
    "Simply a joy to watch.",
    "What a waste of a good idea.",
    "Sharp, tense and brilliantly shot.",
    "Nothing about it works.",
    "It made me laugh and cry.",
    "The effects look cheap and the story drags.",
    "I would see it again tomorrow.",
    "Avoid it at all costs.",
    "A clever script and a great score.",
    "The actors seem bored, and so was I.",
    "Charming from start to finish.",
    "An empty and tedious sequel.",
]


def prompts(shots):
    """The sixteen prompts behind so many examples."""
    template = "".join(f"Review: {text}\nSentiment: {label}\n\n" for text, label in SHOTS[:shots])
    return [f"{template}Review: {review}\nSentiment:" for review in REVIEWS]


def template_length(ids):
    """How many tokens all prompts begin with."""
    return next(i for i, tokens in enumerate(zip(*ids, strict=False)) if len(set(tokens)) > 1)


class Torch:
    """The peer: gates of each row of the batch, `[rows, layers, heads]`, in pre-hooks of the output projections."""

    def __init__(self, ids, targets):
        import torch

        self.torch, self.ids, self.targets = torch, ids, list(targets)
        self.network, self.gates = torch_model(smollm2_path()), None
        for i, layer in enumerate(self.network.model.layers):
            layer.self_attn.o_proj.register_forward_pre_hook(lambda _, args, i=i: (self._gated(args[0], i),))

    def _gated(self, x, i):
        return (x.unflatten(-1, (9, 64)) * self.gates[:, i][:, None, :, None]).flatten(-2)

    def _rows(self, sequences):
        """Padded on the right, where causal attention does not look."""
        lengths = [len(s) for s in sequences]
        tokens = self.torch.zeros(len(sequences), max(lengths), dtype=self.torch.long)
        for row, s in zip(tokens, sequences, strict=True):
            row[: len(s)] = self.torch.tensor(s)
        return tokens, self.torch.tensor(lengths) - 1

    def _difference(self, tokens, last, cache=None, start=0):
        places = self.torch.arange(start, start + tokens.shape[1])[None].expand(len(tokens), -1)
        options = {"use_cache": False} if cache is None else {"past_key_values": cache}
        hidden = self.network.model(input_ids=tokens, position_ids=places, **options).last_hidden_state
        read = hidden[self.torch.arange(len(tokens)), last]  # the head at one position, and for two tokens
        logits = read @ self.network.lm_head.weight[self.targets].T
        return logits[:, 0] - logits[:, 1]

    def values(self, masks, together):
        """The mean logit difference of every mask, so many masks a call."""
        with self.torch.inference_mode():
            tokens, last = self._rows(self.ids)
            found = []
            for start in range(0, len(masks), together):
                part = self.torch.tensor(masks[start : start + together], dtype=self.torch.float32)
                m, p = len(part), len(self.ids)
                self.gates = part.view(m, 30, 9).repeat_interleave(p, 0)
                found.append(self._difference(tokens.repeat(m, 1), last.repeat(m)).view(m, p).mean(1))
            return self.torch.cat(found).numpy()

    def values_with_cache(self, masks, together):
        """The same, with what the prompts begin with run once a mask."""
        from transformers import DynamicCache

        shared = template_length(self.ids)
        with self.torch.inference_mode():
            template = self.torch.tensor([self.ids[0][:shared]])
            tokens, last = self._rows([s[shared:] for s in self.ids])
            found = []
            for start in range(0, len(masks), together):
                part, cache = self.torch.tensor(masks[start : start + together]), DynamicCache()
                m, p = len(part), len(self.ids)
                self.gates = part.float().view(m, 30, 9)
                self.network.model(input_ids=template.repeat(m, 1), past_key_values=cache, use_cache=True)
                cache.batch_repeat_interleave(p)
                self.gates = self.gates.repeat_interleave(p, 0)
                values = self._difference(tokens.repeat(m, 1), last.repeat(m), cache, shared)
                found.append(values.view(m, p).mean(1))
            return self.torch.cat(found).numpy()


def measure(shots, count, repeats):
    """One template length: masks a second of everything, and how far the values are apart."""
    models = {dtype: sx.load_model("smollm2", dtype=dtype) for dtype in ("float32", "bfloat16")}
    options = {"answers": (" Positive", " Negative")}
    ablations = {dtype: sx.ablations.components(m, prompts(shots), **options) for dtype, m in models.items()}
    ids = ablations["float32"].prompts.prompts
    targets = [answer[0] for answer in ablations["float32"].prompts.answers[0]]
    masks = np.random.default_rng(0).random((count, 270)) < 0.8
    peer = Torch(ids, targets)
    runs = {f"spexjax {dtype}": lambda m, a=a: run(a, m, progress=False).values for dtype, a in ablations.items()}
    runs |= {f"torch, {k} mask(s) a call": lambda m, k=k: peer.values(m, k) for k in (1, 2)}
    cached = {f"torch, template cached by hand, {k} mask(s)": k for k in (1, 4)}
    runs |= {name: lambda m, k=k: peer.values_with_cache(m, k) for name, k in cached.items()}
    seconds, values = {name: [] for name in runs}, {}
    for name, call in runs.items():
        call(masks if name.startswith("spexjax") else masks[:1])  # compiled, and warm
    for _ in range(repeats):
        for name, call in runs.items():
            start = time.perf_counter()
            values[name] = call(masks)
            seconds[name].append(time.perf_counter() - start)
            print(f"{name}, {shots} shots: {seconds[name][-1]:.1f} s", flush=True)
    median = {name: float(np.median(s)) for name, s in seconds.items()}
    hooks = min(s for name, s in median.items() if "a call" in name)
    by_hand = min(median[name] for name in cached)
    reference = values["torch, 1 mask(s) a call"]
    shared = template_length(ids)
    evaluation = run(ablations["float32"], masks, progress=False)
    return {
        "prompts": len(ids),
        "template_tokens": shared,
        "tokens": sum(map(len, ids)),
        "tokens_run": plant(ablations["float32"].prompts).used,
        "padding": evaluation.padding,
        "masks": count,
        "masks_per_second": {name: count / s for name, s in median.items()},
        "ratio_to_best_torch_with_hooks": {n: hooks / s for n, s in median.items() if n.startswith("spexjax")},
        "ratio_to_torch_with_cached_template": {n: by_hand / s for n, s in median.items() if n.startswith("spexjax")},
        "largest_difference_from_torch": {n: float(np.abs(v - reference).max()) for n, v in values.items()},
        "standard_deviation_of_values": float(reference.std()),
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shots", type=int, nargs="+", default=[3, 7])
    parser.add_argument("--out", type=Path, default=RESULTS_FOLDER / "component_speed.json")
    args = parser.parse_args()
    known = json.loads(args.out.read_text())["sizes"] if args.out.is_file() else {}
    result = {
        "command": "python benchmarks/component_speed.py " + " ".join(sys.argv[1:]),
        "features": 270,
        "sizes": known | {f"{shots} shots": measure(shots, args.masks, args.repeats) for shots in args.shots},
        "cores": os.cpu_count(),
        "backend": jax.default_backend(),
        "versions": {p: version(p) for p in ("jax", "torch", "transformers")},
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
