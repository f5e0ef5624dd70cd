"""The tables of docs/benchmarks.md, each written from what a script of benchmarks/ has measured."""

import functools
import sys
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import table_tools
from table_tools import ROOT, block, grouped, result, span, table

sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
from common import HELD_OUT  # noqa: E402
from covalues import WITH, saved  # noqa: E402
from faithfulness import MARGIN, needed  # noqa: E402
from index_error import ASKED  # noqa: E402

from spexjax._numbers import counted  # noqa: E402

NAMES = {
    "lasso": "`lasso`",
    "authors": "ProxySPEX of its authors (spectralexplain 0.0.4)",
    "lightgbm": "the same LightGBM read without loss",
    "auto": "`auto`",
}
OURS = "least-squares", "least-squares-3", "lasso"  # methods of ours beside auto


@block
def calibration() -> str:
    """How far the reported R2 is from the true one, as in benchmarks/calibration.py."""
    rows = result("calibration")["rows"]
    told = [r for r in rows if not r["unseen"] and np.isfinite(r["true"]) and np.isfinite(r["reported"])]
    imperfect = [r for r in told if r["true"] < 0.999]
    gaps = np.array([r["reported"] - r["true"] for r in told])
    within = {"R2": [abs(r["reported"] - r["true"]) <= 2 * r["error"] for r in imperfect]}
    within |= {k: [r[k] for r in imperfect if r[k] is not None] for k in ("predictions", "SV", "SII", "FSII")}
    lines = [
        ("reported R2 less the true one, mean", f"{gaps.mean():+.3f}"),
        ("fits whose reported R2 is within .06 of the true one", f"{np.mean(np.abs(gaps) <= 0.06):.1%}"),
        *((f"{name} within two standard errors of the truth", f"{np.mean(v):.0%}") for name, v in within.items()),
    ]
    return table((f"{len(told)} fits of {len({r['game'] for r in told})} kinds of games", ""), lines)


@block
def throughput() -> str:
    """Masks a second on a text, and what they cost."""
    found, kinds = result("throughput"), ("float32", "bfloat16")
    theirs = found["ablations_of_torch"]
    names = {
        "spexjax": "spexjax {}",
        f"torch in batches, the first {theirs['batched']}": "torch {}, batched",
        f"torch one by one, the first {theirs['one at a time']}": "torch {}, one at a time",
    }
    rates, share = found["masks_per_second"], found["model_flop_utilisation"]
    off, ours = found["largest_difference_from_torch_float32"], found["ours"]
    lines = [(f"{name}: masks/s", *(f"{rates[key.format(k)]:.1f}" for k in kinds)) for name, key in names.items()]
    lines += [
        ("share of what the machine's fastest matrix products allow", *(f"{share[k]:.0%}" for k in kinds)),
        ("tokens a mask, of a prompt's", *(f"{ours[k]['tokens_run_per_mask']:.0f}" for k in kinds)),
        ("padding", *(f"{ours[k]['padding']:.1%}" for k in kinds)),
        ("programs", *(f"{ours[k]['programs']}" for k in kinds)),
        ("largest difference from torch in float32", *(f"{off[k]:.0e}" for k in kinds)),
    ]
    lines[4] = (f"tokens a mask, of {found['tokens_per_prompt']:.0f}", *lines[4][1:])
    return table((f"{found['features']} words, {found['ablations']} ablations", *kinds), lines)


@block
def component_speed() -> str:
    """Masks a second on heads."""
    found = result("component_speed")
    kinds = "spexjax float32", "spexjax bfloat16"
    lines = [
        (
            kind.removeprefix("spexjax "),
            f"{size['template_tokens']}",
            f"{size['masks_per_second'][kind]:.2f}",
            f"{size['ratio_to_best_torch_with_hooks'][kind]:.1f}",
            f"{size['ratio_to_torch_with_cached_template'][kind]:.1f}",
            f"{size['largest_difference_from_torch'][kind]:.0e}",
        )
        for size in found["sizes"].values()
        for kind in kinds
    ]
    compared = "times torch with hooks", "with the template cached by hand", "largest difference from torch"
    prompts = next(iter(found["sizes"].values()))["prompts"]
    head = f"{found['features']} heads, {prompts} prompts", "tokens of the template", "masks/s", *compared
    return table(head, lines)


@block
def faithfulness() -> str:
    """R2 on a review by method and budget."""
    scores = grouped(result("faithfulness")["rows"], ("method", "game", "m"), "r2")
    budgets, lines = [m for m in (64, 128, 256, 512, 1024, 2048) if ("auto", "sent24", m) in scores], []
    if not budgets:
        return "The review of 24 words was not measured here."
    for method, name in NAMES.items():
        cells = [scores.get((method, "sent24", m)) for m in budgets]
        lines.append((name, *(f"{np.mean(c):.3f}" + f" ± {np.std(c):.3f}" * (len(c) > 1) if c else "" for c in cells)))
    return table(("method", *(f"{m:,} masks" for m in budgets)), lines)


@block
def faithfulness_held_out() -> str:
    """R2 by method and number of ablations on games that no method was developed on."""
    scores = grouped(
        [r for r in result("faithfulness")["rows"] if r["game"] in HELD_OUT], ("method", "m", "game"), "r2"
    )
    lines = []
    for m in sorted({key[1] for key in scores}):
        games = [{game for name, of, game in scores if (name, of) == (method, m)} for method in NAMES]
        played = sorted(set.intersection(*games))
        if played:
            medians = [np.median([np.mean(scores[method, m, game]) for game in played]) for method in NAMES]
            lines.append((f"{m:,} ablations", str(len(played)), *(f"{r2:.2f}" for r2 in medians)))
    return table(("median R2 of", "games", *NAMES.values()), lines)


@block
def ablations_needed() -> str:
    """How many times our ablations the peers need for our R2, as in benchmarks/faithfulness.py.

    Intervals are from 1,000 bootstrap samples of the games, and of the draws of each game.
    """
    lines, peers = [], (("lightgbm", "LightGBM read without loss"), ("authors", "ProxySPEX of its authors"))
    for held_out, (peer, name) in product((False, True), peers):
        if found := needed_for(table_tools.RESULTS, peer, held_out):
            kind = "held out" if held_out else "looked at"
            cells = [f"{n[0]:.2f}, {n[1]:.2f} to {n[2]:.2f} ({n[3]})" if n else "none" for n in found[1:3]]
            lines.append(
                (f"{name}, {counted(found.games, 'game')} {kind}", *cells, str(found.extrapolated), str(found.capped))
            )
    head = "where its curve reaches that R2 (pairs)", "everywhere (pairs)", "extrapolated", "cut off at 8 times"
    return table(("times the ablations, geometric mean and 95 % interval", *head), lines)


class Needed(NamedTuple):
    """How many times our ablations a peer needs: geometric mean, the ends of its interval, and how many pairs."""

    games: int
    measured: tuple[float, float, float, int] | None
    every: tuple[float, float, float, int] | None
    extrapolated: int  # pairs
    capped: int


@functools.cache
def needed_for(folder: Path, peer: str, held_out: bool) -> Needed | None:
    """What the games say that both played; None without such games.

    Args:
      folder: of the results that are read now.
      peer: a method.
      held_out: which games.
    """
    some = [r for r in result("faithfulness")["rows"] if (r["game"] in HELD_OUT) == held_out]
    if not some:
        return None
    scores, rng, intervals = grouped(some, ("method", "game", "m"), "r2"), np.random.default_rng(0), []
    ratios, sampled = times_needed(scores, peer, lambda draws: draws), defaultdict(list)
    games = sorted({game for some in ratios.values() for game, _ in some})
    for _ in range(1000):
        again = times_needed(scores, peer, lambda draws: rng.choice(draws, len(draws)))
        chosen = rng.choice(games, len(games))
        for kind in ("measured", "every"):
            found = [ratio for game in chosen for of, ratio in again[kind] if of == game]
            sampled[kind].append(np.mean(found) if found else np.nan)
    for kind in ("measured", "every"):
        if not ratios[kind]:
            intervals.append(None)
            continue
        mean = np.mean([ratio for _, ratio in ratios[kind]])
        intervals.append((*np.exp((mean, *np.nanquantile(sampled[kind], (0.025, 0.975)))), len(ratios[kind])))
    return Needed(len(games), *intervals, len(ratios["extrapolated"]), len(ratios["capped"]))


def times_needed(scores: dict, peer: str, draws_of: Callable) -> dict[str, list[tuple[str, float]]]:
    """By how it is known, and of "every" kind: the game, and the log of how many times our ablations a peer needs."""
    found = defaultdict(list)
    for _, game, m in sorted(key for key in scores if key[0] == "auto"):
        curve = {at: np.mean(r2) for (method, of, at), r2 in scores.items() if (method, of) == (peer, game)}
        if curve:
            ablations, known = needed(curve, np.mean(draws_of(scores["auto", game, m])))
            for kind in (known, "every"):
                found[kind].append((game, np.log(ablations / m)))
    return found


@block
def never_worse() -> str:
    """Fits of auto that are below lasso or the mean, and what auto says of itself."""
    rows, lines = result("faithfulness")["rows"], []
    ours = [r for r in rows if r["method"] == "auto"]
    floor = {(r["game"], r["m"], r["draw"]): max(0, r["r2"]) for r in rows if r["method"] == "lasso"}
    for said, some in (
        ("128 masks and more", [r for r in ours if r["m"] >= 128]),
        ("32 and 64 masks", [r for r in ours if r["m"] < 128]),
    ):
        below = sum(r["r2"] < floor[r["game"], r["m"], r["draw"]] - MARGIN for r in some)
        lines.append((f"fits below `lasso` or the mean by more than {MARGIN}, {said}", f"{below} of {len(some)}"))
    bias = np.mean([r["reported_r2"] - r["r2"] for r in ours])
    lines.append(("reported R2 less that on unseen masks, mean", f"{bias:+.3f}"))
    return table((f"`auto` on {len({r['game'] for r in ours})} games", ""), lines)


@block
def carry_over() -> str:
    """R2 with and without the explanations of other inputs."""
    tasks = {
        "heads90": "90 attention heads, four prompts",
        "few_shot16": "16 examples in the prompt, four reviews",
        "facts20": "20 sentences, four questions",
        "training64": "64 training images, four test images",
    }
    rows = [r | {"task": r["game"].split("/")[0]} for r in result("carry_over")["rows"]]
    without, like = (grouped(rows, ("task", "m"), kind) for kind in ("without", "like"))
    budgets, lines = sorted({r["m"] for r in rows}), []
    for task, name in tasks.items():
        curve = {m: float(np.mean(without[task, m])) for m in budgets}
        gained = {m: float(np.mean(like[task, m])) for m in budgets}
        times = ", ".join(f"{needed(curve, gained[m])[0] / m:.2f}" for m in budgets)
        lines.append((name, *(f"{curve[m]:.3f} -> {gained[m]:.3f}" for m in budgets), times))
    return table(("task", *(f"{m} masks" for m in budgets), "times the ablations"), lines)


@block
def adaptive() -> str:
    """What choosing masks gains."""
    found = result("adaptive")
    lines = [(r["game"], *(f"{r[k]:.3f}" for k in ("start", "uniform", "chosen"))) for r in found["rows"]]
    mean = f"{found['mean_gain_of_choosing']:+.3f} on average"
    return table(("R2 on game", "256 uniform masks", "256 uniform ones more", f"256 chosen ones more, {mean}"), lines)


@block
def index_error() -> str:
    """Mean squared errors of indices over those of the peers."""
    errors = grouped(result("index_error")["rows"], ("method", "game", "index", "budget"), "mse")
    lines = []
    names = {"proxyshap": "shapiq's ProxySHAP", "proxyspex": "shapiq's ProxySPEX", "kernelshap": "shapiq's KernelSHAP"}
    for peer, name in names.items():
        cells = sorted(c for who, *c in errors if who == peer and c[-1] >= 256 and ("auto", *c) in errors)
        ratios = np.array([np.mean(errors["auto", *c]) / np.mean(errors[peer, *c]) for c in cells])
        mean, typical = f"{ratios.mean():.2f}", f"{np.exp(np.log(ratios).mean()):.2f}"
        lines.append((name, mean, typical, f"{ratios.max():.2f}", f"{(ratios > 1).sum()} of {len(cells)}"))
    head = "squared error of `auto` over that of", "mean", "geometric mean", "largest", "cells above 1"
    return table(head, lines)


@block
def index_error_few() -> str:
    """Mean squared errors of indices over those of auto where ablations are few; the geometric mean over games."""
    errors = grouped(result("index_error")["rows"], ("method", "index", "budget", "game"), "mse")
    games = {key[-1] for key in errors if key[0] == "auto"}
    budgets = [b for b in (32, 64, 128) if all(("auto", "SV", b, game) in errors for game in games)]
    mean = {key: np.mean(e) for key, e in errors.items()}

    def ratio(*cell: str | int) -> str:
        logs = [np.log(mean[*cell, g] / mean["auto", *cell[1:], g]) for g in games if (*cell, g) in mean]
        if len(logs) < len(games):
            return "-"
        value = np.exp(np.mean(logs))
        if value > 1e5:
            return "over 100,000"
        return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"

    names = sorted({key[0] for key in errors} - {"auto"}, key=lambda name: (name not in OURS, name))
    cells = [(index, budget) for index in ("SV", "SII", "FSII") for budget in budgets]
    lines = [(f"`{name}`" if name in OURS else name, *(ratio(name, *cell) for cell in cells)) for name in names]
    draws = min(len(errors["auto", *cell, g]) for cell in cells for g in games)
    head = (
        f"error over that of `auto`, {len(games)} games, {draws} draw{'s' * (draws > 1)}",
        *(f"{index}, {budget}" for index, budget in cells),
    )
    return table(head, [line for line in lines if set(line[1:]) != {"-"}])


def beside_best_peer() -> list[tuple[tuple[str, str, int], str, float]]:
    """Of each game, index and budget: the best peer, and the error of auto over its error."""
    errors, found = grouped(result("index_error")["rows"], ("method", "game", "index", "budget"), "mse"), []
    for cell in sorted(key[1:] for key in errors if key[0] == "auto"):
        others = {key[0]: np.mean(e) for key, e in errors.items() if key[1:] == cell and key[0] not in ("auto", *OURS)}
        if others:
            best = min(others, key=others.get)
            found.append((cell, best, np.mean(errors["auto", *cell]) / others[best]))
    return found


@block
def index_best() -> str:
    """The error of auto over that of the best peer of each game and budget, by index."""
    found, lines = beside_best_peer(), []
    for index in dict.fromkeys(ASKED):
        cells = []
        for held_out in (False, True):
            ratios = [ratio for (game, of, _), _, ratio in found if of == index and (game in HELD_OUT) == held_out]
            if ratios:
                typical, behind = np.exp(np.mean(np.log(ratios))), sum(ratio > 1 for ratio in ratios)
                cells += [f"{np.mean(ratios):.2f}, {typical:.2f}, {max(ratios):.2f}", f"{behind} of {len(ratios)}"]
            else:
                cells += ["", ""]
        if any(cells):
            lines.append((f"{index.removesuffix('-3')}, order {ASKED[index][1]}", *cells))
    head = (
        "games looked at: mean, geometric mean, largest",
        "above 1",
        "held out: mean, geometric mean, largest",
        "above 1",
    )
    return table(("squared error of `auto` over that of the best peer of each cell", *head), lines)


@block
def index_losses() -> str:
    """Cells of the exact games where a peer has a smaller error than auto."""
    found = beside_best_peer()
    lines = [(*cell[:2], f"{cell[2]:,}", best, f"{ratio:.2f}") for cell, best, ratio in found if ratio > 1]
    head = f"the best peer is ahead in {len(lines)} of {len(found)} cells", "index", "ablations", "peer"
    return table((*head, "our error over its"), lines)


@block
def equal_quality() -> str:
    """Seconds from a text to an explanation that is good enough."""
    found, lines = result("equal_quality"), []
    names = {
        "spexjax": "spexjax",
        "authors": "ProxySPEX of its authors",
        "proxyshap": "shapiq's ProxySHAP",
        "contextcite": "ContextCite's lasso",
        "captum-kernelshap": "captum's Kernel SHAP",
        "captum-lime": "captum's LIME",
    }
    rows, tasks = {(r["method"], r["task"]): r for r in found["rows"]}, dict.fromkeys(r["task"] for r in found["rows"])
    for method, name in names.items():
        cells = []
        if not any((method, task) in rows for task in tasks):
            continue
        for task in tasks:
            row = rows.get((method, task))
            if row is None:
                cells.append("")
            elif "seconds" in row:
                cells.append(f"{row['seconds']:.0f} s, {row['ablations']:,} ablations")
            else:
                cells.append(f"R2 {row['r2']:.2f} with {row['ablations']:,}")
        lines.append((name, *cells))
    timed = [{row["machine"] for row in found["rows"] if row["task"] == task and "seconds" in row} for task in tasks]
    lines.append(("machine", *(", ".join(sorted(names)) for names in timed)))
    return table((f"from a text to an R2 of {found['goal']}", *tasks), lines)


@block
def family_speed() -> str:
    """Ablations a second of other families."""
    lines = [
        (
            row["model"],
            f"{row['ablations']:,}",
            *(f"{row['masks_per_second'][kind]:.1f}" for kind in ("spexjax", "torch")),
            f"{row['ratio']:.2f}",
            f"{row['largest_difference']:.0e}",
        )
        for row in result("family_speed")["rows"]
    ]
    head = "masks/s", "ablations", "spexjax", "torch in batches", "times torch", "largest difference"
    return table(head, lines)


@block
def real_models() -> str:
    """How far logits of a published model are from those of transformers."""
    found = result("real_models")
    ours, other = found["largest_difference"], found["of_transformers_to_float64"]
    lines = [
        (f"{tokens}", f"{largest:.0f}", f"{mine:.1e}", f"{theirs:.1e}")
        for tokens, largest, mine, theirs in zip(found["tokens"], found["largest_logit"], ours, other, strict=True)
    ]
    head = f"{found['model']}: tokens of a text", "largest logit", "largest difference from transformers"
    return table((*head, "of transformers in single from double precision"), lines)


@block
def service() -> str:
    """A slow endpoint, asked for all masks, and once more after a kill."""
    found, lines = result("service"), []
    for name, said in (("whole", "in one go"), ("killed_and_resumed", "killed in the middle, and resumed")):
        row = found[name]
        lines.append((said, f"{row['seconds']:.1f}", f"{row['asks']:,}", f"{row['asked_twice']:,}"))
    about = f"{found['asks']} prompts, {found['at_once']} at once, {1000 * found['delay']:.0f} ms each"
    return table((about, "seconds", "asks at the server", "of them twice"), lines)


@block
def store_growth() -> str:
    """What a long sweep and a large store cost."""
    found = result("store_growth")
    sweep, tenths = found["sweep"], found["sweep"]["tenths"]
    count = f"{sweep['explanations']:,} explanations"
    lines = [
        (f"{count}: CPU milliseconds each beside the fit", f"{sweep['cpu_ms_each_beside_the_fit']:.0f}"),
        (f"{count}: milliseconds each, all included", f"{sweep['ms_each']:.0f}"),
        (f"MB of memory after {tenths[0]['explanations']:,} and all", f"{tenths[0]['mb']}, {tenths[-1]['mb']}"),
    ]
    for row in found["store"]:
        said = f"{row['seconds']:.1f} s, {row['cpu']:.1f} of CPU"
        lines.append((f"opening {row['records']:,} records: {row['what']}", said))
    return table(("growth", ""), lines)


@block
def growth() -> str:
    """How CPU time grows with the size of a problem."""
    lines = []
    for row in result("growth")["rows"]:
        sizes, seconds = (row[name] for name in ("sizes", "cpu_seconds"))
        ends = (f"{s:.1f} s" if s >= 1 else f"{1e3 * s:.2g} ms" for s in (seconds[0], seconds[-1]))
        axis = "2^b" if row["axis"] == "b" else row["axis"]
        first, last = (2**size if row["axis"] == "b" else size for size in (sizes[0], sizes[-1]))
        lines.append((row["what"], f"{axis} from {first:,} to {last:,}", row["fixed"], *ends, f"{row['slope']:.2f}"))
    return table(("what", "grows", "fixed", "CPU time of the smallest", "of the largest", "slope"), lines)


@block
def spex_masks() -> str:
    """How many masks designs need."""
    rows = result("spex_speed")["masks"]
    return table(
        ("features", *(f"{r['n']:,}" for r in rows)),
        (
            ("`designs.subsampled`", *(f"{r['ours']:,}" for r in rows)),
            ("the authors' package (sparse-transform 0.2.1)", *(f"{r['peer']:,}" for r in rows)),
        ),
    )


@block
def spex_speed() -> str:
    """Milliseconds for one signal."""
    lines = []
    for row in result("spex_speed")["decode"]:
        for mode in ("hard", "soft"):
            ours, peer = row[mode], row[mode]["peer"]
            theirs = f"{peer['ratio']:,.0f}" if "ratio" in peer else f"over {peer['ratio_above']:,.0f}"
            lines.append((f"{row['n']:,}", mode, f"{ours['warm_ms']:.1f}", f"{ours['cold_s']:.1f}", theirs))
    head = "features", "mode", "milliseconds", "seconds with compilation", "CPU time of the authors' package over ours"
    return table(head, lines)


@block
def spex_many() -> str:
    """Signals a second for many of them."""
    many = result("spex_speed")["many"]
    ways = {"a loop": "loop", "`jax.vmap`": "vmap", "`decode_many`, each core a device": "devices"}
    lines = []
    for name, key in ways.items():
        times = span((r[f"{key}_ratio"] for r in many), ".1f") if key != "loop" else ""
        lines.append((name, span((r[f"{key}_per_s"] for r in many), ",.0f"), times))
    return table(("256 signals, 20 to 1,000 features", "signals a second", "times a loop"), lines)


@block
def spex_recovery() -> str:
    """The loads at which all is recovered without noise, and recall under strong noise."""
    rows, lines = result("spex_recovery")["rows"], []
    names = {"hard": "hard", "soft": "soft", "peer-hard": "the authors' hard", "peer-soft": "the authors' soft"}
    measured = {r["method"] for r in rows}
    for method, name in ((method, name) for method, name in names.items() if method in measured):
        own = [r for r in rows if r["method"] == method]
        ended = [r for r in own if "exact" in r]
        if late := len(own) - len(ended):
            name += f" ({counted(late, 'cell')} not ended in time)"
        clean = [r for r in ended if r["snr"] is None]
        loads = {r["terms"] for r in clean}
        clean = [r for r in clean if sum(other["n"] == r["n"] for other in clean) == len(loads)]  # tried at every load
        exact = [k for k in loads if all(r["exact"] >= 0.99 for r in clean if r["terms"] <= k)]
        noisy = next((r for r in ended if (r["n"], r["snr"], r["terms"]) == (20, 0, 85)), None)
        recall = f"{noisy['recall']:.2f}" if noisy else "-"
        sizes = span((r["n"] for r in clean), ",") if clean else "-"
        lines.append((name, sizes, str(max(exact, default=0)), recall, str(own[0]["seeds"])))
    head = "mode", "features", "exact without noise up to K", "recall at 0 dB, n = 20, K = 85", "signals a cell"
    return table(head, lines)


@block
def spex_games() -> str:
    """SPEX and ProxySPEX at equal numbers of ablations."""
    rows, lines = result("spex_games")["rows"], []
    for budget in (2000, 4000, 8000):
        spex = [r for r in rows if (r["method"], r["budget"]) == ("spex", budget)]
        at = {(r["game"], r["ablations"]) for r in spex}
        proxy = [r for r in rows if r["method"] == "proxyspex-gp" and (r["game"], r["ablations"]) in at]
        above = sum(s["r2"] > p["r2"] for s in spex for p in proxy if s["game"] == p["game"])
        lines.append(
            (
                span((r["ablations"] for r in spex), ",.0f"),
                str(len(spex)),
                span(r["r2"] for r in spex),
                span(r["r2"] for r in proxy),
                str(above),
                span(20 * r["recall_from_order_2"] for r in spex).replace(".00", ""),
            )
        )
    head = (
        "ablations",
        "games",
        "R2 of SPEX",
        "R2 of ProxySPEX",
        "SPEX is better in",
        "of the 20 largest from order 2, SPEX finds",
    )
    return table(head, lines)


@block
def many_masks() -> str:
    """R2 where there are very many masks."""
    found = result("many_masks")
    scores = {(r["game"], r["method"]): r["r2"] for r in found["rows"]}
    names = {"products": "sums of products", "kernels": "Gaussian processes", "lightgbm": "LightGBM"}
    played = list(dict.fromkeys(r["game"] for r in found["rows"]))
    lines = [(name, *(f"{scores[game, key]:.2f}" for game in played)) for key, name in names.items()]
    return table((f"R2, {found['masks']:,} masks of {found['num_features']} features", *played), lines)


@block
def latency() -> str:
    """How long people wait."""
    lines = result("latency")["runs"]["now"]["acceptance"]
    return table(("what", "seconds"), ((line["what"], f"{line['now']:.2f}") for line in lines if line["now"]))


@block
def demo() -> str:
    """How long the demo takes."""
    first, again = (r["seconds"] for r in result("latency")["runs"]["now"]["rows"] if r["task"] == "demo")
    return table(("`spexjax demo`, installed", "seconds"), (("first", f"{first:.1f}"), ("again", f"{again:.1f}")))


@block
def retraining() -> str:
    """Models retrained a second."""
    found = result("retraining")
    rows = {(r["model"], r.get("batch", 20)): r for r in found["rows"]}

    def rate(row, name):
        return f"{row[name]:,.{0 if row[name] >= 100 else 1}f}" if name in row else ""

    lines = [
        (
            model,
            *(rate(row, name) for name in ("ours", "torch", "scikit-learn")),
            *(f"{row[k]:.0f}" if k in row else "" for k in ("times_torch", "times_scikit-learn")),
            f"{full['times_torch']:.0f}" if (full := rows.get((model, 100))) else "",
        )
        for (model, batch), row in rows.items()
        if batch == 20
    ]
    head = "spexjax", "torch", "scikit-learn", "times torch", "times scikit-learn", "times torch, steps of all examples"
    return table(("retrainings a second", *head), lines)


@block
def subsets() -> str:
    """How many answers are certified."""
    rows = [r for r in result("subsets")["rows"] if r["game"] != "dense random"]
    seconds, shares = [r["seconds"] for r in rows], [r["true_share"] for r in rows if "true_share" in r]
    lines = [
        ("certified", f"{sum(r['status'] == 'optimal' for r in rows)} of {len(rows)}"),
        ("found by the local search alone", f"{sum(r['local_share'] >= 1 - 1e-9 for r in rows)} of {len(rows)}"),
        ("seconds, median and most", f"{np.median(seconds):.2f}, {max(seconds):.1f}"),
        ("true change over the largest there is, mean and least", f"{np.mean(shares):.2f}, {min(shares):.2f}"),
    ]
    return table(
        (f"{len({r['game'] for r in rows})} games, up to {max(r['features'] for r in rows)} features", ""), lines
    )


@block
def datamodels_size() -> str:
    """The size of the CIFAR-10 datamodels."""
    found = result("datamodels_size")
    steps = {r["step"]: r for r in found["rows"]}
    screen, last = steps["screen"], steps["products"]
    lines = [
        ("one pass of correlations over the packed masks", f"{screen['seconds']:.0f} s"),
        ("examples that matter which it keeps", f"{min(screen['recall'].values()):.0%}"),
        ("pairs that a fit to those finds", f"{last['pairs_found']} of {last['pairs']}"),
        ("memory", f"{last['peak_gb']:.1f} GB"),
    ]
    return table((f"{found['num_features']:,} training examples, {found['masks']:,} masks", ""), lines)


@block
def strings() -> str:
    """R2 with and without a look at the string that is left."""
    return _two_arms("strings", "structure", {"None": "without", "sequence": "with"})


@block
def covalues() -> str:
    """R2 without and with co-values."""
    return _two_arms("covalues", "covalues", {False: "without", True: "with"})


@block
def covalues_saved() -> str:
    """How many times the ablations co-values save, as in benchmarks/covalues.py."""
    rows, lines = result("covalues")["rows"], []
    games = sorted({r["game"] for r in rows})
    each = {game: saved([r for r in rows if r["game"] == game]) for game in games}
    for game, found in each.items():
        lines.append((game, *(f"{ratio:.2f}" for ratio in found.values()), f"{np.mean(list(found.values())):.2f}"))
    every = [ratio for found in each.values() for ratio in found.values()]
    return table(
        (f"times the ablations, {np.mean(every):.2f} on average", *(f"{m} masks" for m in WITH), "mean"), lines
    )


@block
def spans() -> str:
    """How long another part of an answer takes."""
    found = result("spans")
    lines = [(f"`{part}`", f"{row['seconds']:.1f}", f"{row['r2']:.3f}") for part, row in found["parts"].items()]
    about = f"{found['tokens']} tokens, {found['sentences']} sentences, {found['ablations']} ablations"
    return table((about, "seconds", "R2"), lines)


def _two_arms(name: str, column: str, arms: dict) -> str:
    """Mean R2 of each game by the number of masks, for each value of a column; the sizes are those of the last one."""
    rows = result(name)["rows"]
    sizes, lines = sorted({r["m"] for r in rows if r[column] == list(arms)[-1]}), []
    for game in sorted({r["game"] for r in rows}):
        for arm, said in arms.items():
            r2 = [[r["r2"] for r in rows if (r["game"], r[column], r["m"]) == (game, arm, m)] for m in sizes]
            lines.append((game, said, *(f"{np.mean(some):.3f}" if some else "-" for some in r2)))
    return table(("game", name.replace("cov", "co-v"), *(f"{m:,} masks" for m in sizes)), lines)


@block
def gradient() -> str:
    """R2 near the full model, with and without one backward pass."""
    rows = result("gradient")["rows"]
    sizes, lines = sorted({r["m"] for r in rows}), []
    kinds = {"neither": (False, False), "gradient": (True, False), "co-values": (False, True), "both": (True, True)}
    for game in sorted({r["game"] for r in rows}):
        for name, kind in kinds.items():
            mine = [r for r in rows if (r["game"], r["gradient"], r["covalues"]) == (game, *kind)]
            r2 = [np.mean([r["r2"] for r in mine if r["m"] == m]) for m in sizes]
            lines.append((game, name, *(f"{value:.3f}" for value in r2)))
    return table(("game", "with", *(f"{m:,} masks" for m in sizes)), lines)


@block
def relevances() -> str:
    """R2 of few ablations, with and without the attention of one unablated pass."""
    rows = result("relevances")["rows"]
    sizes, lines = sorted({r["m"] for r in rows}), []
    for game, known, hint in product(
        sorted({r["game"] for r in rows}, key=lambda name: int(name.removeprefix("review"))),
        (False, True),
        ("none", "attention", "attention of other words"),
    ):
        mine = [r for r in rows if (r["game"], r["covalues"], r["hint"]) == (game, known, hint)]
        r2 = [np.mean([r["r2"] for r in mine if r["m"] == m]) for m in sizes]
        lines.append((game, "yes" if known else "no", hint, *(f"{value:.3f}" for value in r2)))
    return table(("game", "co-values", "relevances", *(f"{m:,} masks" for m in sizes)), lines)


@block
def sweep() -> str:
    """Very many masks, with and without a store."""
    found = result("sweep")
    lines = [(row["what"], f"{row['seconds']:.1f}") for row in found["rows"]]
    lines.append(("MB of host memory above the start", str(found["above_baseline_mb"])))
    return table((f"{found['masks']:,} masks of {found['num_features']:,} features", "seconds"), lines)
