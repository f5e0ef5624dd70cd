"""Which sentences of several documents does an answer rest on, and which of them act together?

python experiments/rag/run.py          # SmolLM2, minutes on a CPU
python experiments/rag/run.py full     # Llama-3.1-8B on HotpotQA; `drop` on DROP; both need `pip install datasets`
"""

import json
import sys
from itertools import accumulate, combinations, pairwise
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import jax
import numpy as np
import yaml

import spexjax as sx
from experiments.common import load_model, save, setup

HERE = Path(__file__).parent


class Case(NamedTuple):
    """A question about some documents."""

    documents: list[list[str]]  # lists of sentences
    question: str
    answer: str
    supports: list[int]  # the supporting sentences, numbered through all documents; empty if unknown

    def text(self) -> tuple[str, list[tuple[int, int]]]:
        """All documents, one per line, and the span of each sentence."""
        pieces = [s.strip() + ("\n" if s is d[-1] else " ") for d in self.documents for s in d]
        places = pairwise(accumulate(map(len, pieces), initial=0))
        return "".join(pieces), [(a, b - 1) for a, b in places]

    def document_of(self) -> list[int]:
        """The document of each sentence."""
        return [i for i, document in enumerate(self.documents) for _ in document]


def cases(config) -> list[Case]:
    """The cases of the file, of HotpotQA or of DROP."""
    if config["data"].endswith(".yaml"):
        data = yaml.safe_load((HERE / config["data"]).read_text())
        return [Case(data["documents"], *question) for question in data["questions"]]
    from datasets import load_dataset

    rows = load_dataset(config["data"], config.get("name"), split=f"{config['split']}[:{config['count']}]")
    return [drop(row) if "passage" in row else hotpot(row) for row in rows]


def hotpot(row) -> Case:
    """A case of HotpotQA, which gives supporting facts by title and number of the sentence."""
    titles, documents = row["context"]["title"], row["context"]["sentences"]
    starts = dict(zip(titles, accumulate(map(len, documents), initial=0), strict=False))
    facts = zip(row["supporting_facts"]["title"], row["supporting_facts"]["sent_id"], strict=True)
    return Case(documents, row["question"], " " + row["answer"], [starts[title] + i for title, i in facts])


def drop(row) -> Case:
    """A case of DROP: one passage, split at full stops."""
    sentences = [s.strip() + "." for s in row["passage"].split(". ") if s.strip()]
    return Case([sentences], row["question"], " " + row["answers_spans"]["spans"][0], [])


def study(model, case: Case, config) -> dict:
    """Explains the log-probability of the answer by the spectrum and by first-order scores."""
    text, spans = case.text()
    question = f"Read the text and answer the question.\n{{text}}\nQuestion: {case.question}"
    ablation = sx.ablations.text(
        model, text, features=spans, question=question, answers=case.answer, answer_prefix="Answer:"
    )
    n = ablation.num_features
    explanation = sx.explain(ablation, budget=config["budget"], key=jax.random.key(0), progress=False)
    linear = sx.fit(explanation.masks, explanation.values, method="lasso", key=jax.random.key(0))
    singles = np.concatenate([np.ones((1, n), bool), ~np.eye(n, dtype=bool)])
    full, *without = sx.evaluate(ablation, singles, progress=False).tolist()
    interactions = explanation.interactions("BII", 2)
    pairs = {s: value for s, value in interactions if len(s) == 2}
    strength = np.array([abs(interactions[i]) for i in range(n)])
    for s, value in pairs.items():
        strength[list(s)] += abs(value) / 2
    scores = {
        "interactions": strength,
        "Banzhaf values": np.array([interactions[i] for i in range(n)]),
        "lasso": np.array([linear.interactions("BV")[i] for i in range(n)]),
        "one sentence out": full - np.array(without),
    }
    documents, strongest = case.document_of(), sorted(pairs, key=lambda s: -abs(pairs[s]))
    across = [documents[a] != documents[b] for a, b in strongest]
    return {
        "question": case.question,
        "answer": case.answer,
        "the model says": sx.ablations.text(model, text, question=question, answer_prefix="Answer:").answers[0],
        "log-probability": full,
        "faithfulness": str(explanation.faithfulness),
        "supports": case.supports,
        "scores": {name: np.round(score, 4).tolist() for name, score in scores.items()},
        "recall": {name: recall(score, case.supports, config["top"]) for name, score in scores.items()},
        "pair of supports": [
            {"sentences": s, "interaction": pairs.get(s, 0.0), "rank": strongest.index(s) + 1 if s in pairs else None}
            for s in combinations(sorted(case.supports), 2)
        ],
        "strongest pairs": [[s, pairs[s]] for s in strongest[:5]],
        "energy across documents": sum(pairs[s] ** 2 for s, far in zip(strongest, across, strict=True) if far)
        / max(sum(v**2 for v in pairs.values()), 1e-12),
    }


def recall(score, supports, sizes) -> dict | None:
    """The share of the supporting sentences that are among the k largest scores in magnitude."""
    order = np.argsort(-np.abs(score), kind="stable").tolist()
    return {k: sx.metrics.recovery(order, supports, k).recall for k in sizes} if supports else None


def main(size="small"):
    """Writes result.json and sentences.png beside this file; the other sizes into `out/`."""
    config, folder = setup(HERE, size)
    model = load_model(config)
    found = [study(model, case, config) for case in cases(config)]
    known = [one["recall"] for one in found if one["recall"]]
    mean = (
        {name: {k: np.mean([r[name][k] for r in known]) for k in config["top"]} for name in known[0]} if known else {}
    )
    save({"mean recall": mean, "questions": found}, folder)
    for one in found:
        print(one["question"], one["the model says"], round(one["log-probability"], 2), one["faithfulness"])
        print("   ", one["pair of supports"], one["strongest pairs"][:3])
    print(json.dumps(mean, indent=1))
    draw(found[:6], folder / "sentences.png")


def draw(found, path):
    """Plots the Banzhaf value of every sentence, supporting ones in colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    for ax, one in zip(figure.subplots(2, 3).flat, found, strict=False):
        score = one["scores"]["Banzhaf values"]
        ax.bar(range(len(score)), score, color=["C1" if i in one["supports"] else "C0" for i in range(len(score))])
        ax.set_title(shorten(one["question"], 52) + f"\n{one['answer'].strip()}", fontsize=9)
        ax.set_xlabel("sentence (orange: needed)", fontsize=8)
        ax.set_ylabel("Banzhaf value", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
