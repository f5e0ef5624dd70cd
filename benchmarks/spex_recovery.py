"""How often the SPEX decoder finds a sparse spectrum exactly, over its number of terms and over noise, beside a peer.

A signal has K distinct random sets S of features. The size is uniform in 1..5; a set that is there already is drawn
again. F(S) is ±U(1, 2), since among normal F(S) those near zero would decide about the whole signal. Noise is white and
Gaussian, drawn for every mask. SNR is the variance of the signal over that of the noise. b = 8, t = 5 and C = 3. Every
seed has its own signal and design.

The peer is `support_recovery` of spectralexplain, which decodes the same signals from samples of its own choice. What
it leaves below 1e-6 does not count as found. A signal is exact if all its sets are found and no other. `exact_half`
leaves out sets found with |F(S)| < 0.5, which needs knowledge that no decoder has, but forgives the peer its small
extras. Cells already in results/spex_recovery.json are not measured again.

    pip install spectralexplain==0.0.4 sparse-transform==0.2.1 matplotlib
    OMP_NUM_THREADS=1 python benchmarks/spex_recovery.py
"""

import argparse
import dataclasses
import json
import time
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from unittest import mock

import jax
import numpy as np
from common import RESULTS_FOLDER, Stopwatch

import spexjax as sx

BINS_LOG2, MAX_ORDER, GROUPS = 8, 5, 3
BINS = GROUPS << BINS_LOG2
FEATURES = (20, 63, 127, 500, 1000)
THIRD = round((1 << BINS_LOG2) / 3)
TERMS = tuple(sorted({30, THIRD, *(round(load * BINS) for load in (0.05, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))}))
NOISY, SNRS = (30, THIRD), (None, 20, 10, 5, 0)  # K of the signals with noise, and dB
CELLS = [(k, None) for k in TERMS] + list(product(NOISY, SNRS[1:]))
PEERS = ("peer-hard", "peer-soft")
PATH = RESULTS_FOLDER / "spex_recovery.json"
PACKAGES = ("jax", "numpy", "spectralexplain", "sparse-transform", "galois")


@dataclasses.dataclass(frozen=True)
class Signal:
    """A sparse function of masks over n features, `{S: F(S)}`."""

    terms: dict[tuple[int, ...], float]
    n: int

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int, k: int) -> "Signal":
        terms = {}
        while len(terms) < k:
            s = rng.choice(n, rng.integers(1, MAX_ORDER + 1), replace=False)
            terms.setdefault(tuple(sorted(s.tolist())), rng.choice((-1, 1)) * rng.uniform(1, 2))
        return cls(terms, n)

    @cached_property
    def members(self) -> np.ndarray:
        """Float[n, K]: which features each S has."""
        members = np.zeros((self.n, len(self.terms)), np.float32)
        for column, s in enumerate(self.terms):
            members[list(s), column] = 1
        return members

    @cached_property
    def coefficients(self) -> np.ndarray:
        return np.array(list(self.terms.values()))

    def noise(self, snr: float | None) -> float:
        """The standard deviation of the noise at that many dB."""
        return 0.0 if snr is None else np.sqrt((self.coefficients**2).sum() / 10 ** (snr / 10))

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        return signs(np.asarray(masks, np.float32) @ self.members) @ self.coefficients

    def at(self, design: sx.designs.Subsampled) -> np.ndarray:
        """The values at `design.masks()`. Those signs are products, (-1)^{<S, M^T l>} (-1)^{<S, d>}."""
        span = np.arange(1 << design.bins_log2)[:, None] >> np.arange(design.bins_log2) & 1
        delays = signs(np.asarray(design.delays, np.float32) @ self.members) * self.coefficients
        groups = [delays @ signs(span @ (np.asarray(m, np.float32) @ self.members)).T for m in design.mixing]
        return np.concatenate(groups).reshape(-1)


def signs(counts: np.ndarray) -> np.ndarray:
    return 1.0 - 2 * (counts % 2)


@contextmanager
def time_limit(limit: float):
    """Lets the peer's decoding raise TimeoutError, between two bins, after that many seconds of CPU time.

    An alarm would do so inside compiled code, which numba does not survive.
    """
    from sparse_transform.qsft.codes.BCH import BCH

    decode, end = BCH.parity_decode, time.process_time() + limit

    def in_time(self, parity, **options):
        if time.process_time() > end:
            raise TimeoutError
        return decode(self, parity, **options)

    with mock.patch.object(BCH, "parity_decode", in_time):
        yield


def peer_samples(f: Signal, snr: float | None, seed: int):
    """What the authors' package samples for b = 8, the noise included."""
    from spectralexplain.support_recovery import sampling_strategy

    rng, noise = np.random.default_rng(seed), f.noise(snr)
    np.random.seed(seed)  # the package draws its matrices from the global generator
    samples, counts = sampling_strategy(
        lambda x: f(x) + noise * rng.normal(size=len(x)), BINS_LOG2, BINS_LOG2, f.n, None, MAX_ORDER
    )
    return samples, counts[BINS_LOG2]


def peer_decode(kind: str, samples) -> dict[tuple[int, ...], float]:
    from spectralexplain.support_recovery import support_recovery

    found = support_recovery(kind, samples, BINS_LOG2, MAX_ORDER)
    return {tuple(np.flatnonzero(s).tolist()): float(v) for s, v in found.items() if abs(v) > 1e-6}


def measure(method: str, n: int, k: int, snr: float | None, seed: int, limit: int) -> dict:
    """One signal, drawn, sampled and decoded."""
    f = Signal.draw(np.random.default_rng([n, k, seed]), n, k)
    if method in PEERS:
        samples, count = peer_samples(f, snr, seed)
        watch, extra = Stopwatch(), {}
        try:
            with time_limit(limit):
                found = peer_decode(method.removeprefix("peer-"), samples)
        except TimeoutError:
            return {"samples": count, "cpu_seconds": limit, "unfinished": True}
    else:
        design = sx.designs.subsampled(jax.random.key(seed), n, BINS_LOG2, MAX_ORDER, GROUPS)
        values = f.at(design)
        values += f.noise(snr) * np.random.default_rng(seed).normal(size=len(values))
        values, count = values.astype(np.float32), len(values)
        watch = Stopwatch()
        decoded = jax.block_until_ready(sx.decoder.decode(design, values, method))
        found = {s: v for s, v in decoded.spectrum.to_dict().items() if v}
        extra = {"converged": int(decoded.status) == sx.decoder.Status.CONVERGED}
    return {"samples": count, **watch.read(), "unfinished": False, **score(found, f.terms), **extra}


def score(found: dict, terms: dict) -> dict:
    hits, half = found.keys() & terms.keys(), {s for s, v in found.items() if abs(v) >= 0.5}
    return {
        "exact": found.keys() == terms.keys(),
        "exact_half": half == terms.keys(),
        "precision": len(hits) / max(1, len(found)),
        "recall": len(hits) / len(terms),
        "error": max((abs(found[s] - terms[s]) / abs(terms[s]) for s in hits), default=np.inf),
    }


def cell(method: str, n: int, k: int, snr: float | None, seeds: int, limit: int) -> dict:
    """The means over the seeds. The cell ends at the first call that does not end in time."""
    trials = []
    for seed in range(seeds):
        trials.append(measure(method, n, k, snr, seed, limit))
        if trials[-1]["unfinished"]:
            break
    done = [trial for trial in trials if not trial["unfinished"]]
    row = {"method": method, "n": n, "terms": k, "snr": snr, "seeds": len(done), "samples": trials[0]["samples"]}
    row["cpu_seconds"] = float(np.median([trial["cpu_seconds"] for trial in trials]))
    if len(done) < len(trials):
        row["unfinished"] = f"1 call did not finish in {limit} s of CPU time"
    for name in ("exact", "exact_half", "precision", "recall", "converged"):
        if done and name in done[0]:
            row[name] = round(float(np.mean([trial[name] for trial in done])), 4)
    errors = [trial["error"] for trial in done if trial["exact"]]
    if errors:
        row["worst_error"] = float(f"{max(errors):.2g}")  # relative, of a coefficient of an exact signal
        row["exact_to_1e-4"] = round(float(np.mean([trial["exact"] and trial["error"] <= 1e-4 for trial in done])), 4)
    return row


def asked(method: str, n: int, k: int, snr: float | None) -> bool:
    """The peer is slow: beyond 63 features only "hard" is measured, at one K; "soft" at one K if there is noise."""
    few = n > 63 or (method == "peer-soft" and snr is not None)
    return method not in PEERS or ((k == THIRD or not few) and (n <= 63 or method == "peer-hard"))


def read() -> dict[tuple, dict]:
    """The rows so far, by method, n, K and SNR."""
    rows = json.loads(PATH.read_text())["rows"] if PATH.is_file() else []
    return {(r["method"], r["n"], r["terms"], r["snr"]): r for r in rows}


def put(row: dict) -> None:
    head = {"command": "OMP_NUM_THREADS=1 python benchmarks/spex_recovery.py", "device": jax.devices()[0].device_kind}
    head["versions"] = {name: version(name) for name in PACKAGES if find_spec(name.replace("-", "_"))}
    lines = ",\n".join("  " + json.dumps(r) for r in [*read().values(), row])
    draft = PATH.with_suffix(".tmp")
    draft.write_text(json.dumps(head, indent=1)[:-2] + f',\n "rows": [\n{lines}\n ]\n}}\n')
    draft.replace(PATH)


def print_table(cells: dict, title: str, columns: dict[str, tuple], text) -> None:
    print(f"\n{title}\n{'n':>5} {'method':10}{'samples':>8}" + "".join(f"{c:>18}" for c in columns))
    for n, method, samples in sorted({(r["n"], r["method"], r["samples"]) for r in cells.values()}):
        found = [cells.get((method, n, *key)) for key in columns.values()]
        texts = ["-" if r is None else text(r) if r["seeds"] else "not finished" for r in found]
        print(f"{n:>5} {method:10}{samples:>8}" + "".join(f"{t:>18}" for t in texts))


def plot(cells: dict) -> None:
    """The share of exact signals, over load without noise and over noise at K = 2^b / 3."""
    from matplotlib import pyplot as plt

    colours = dict(zip(("soft", "hard", "peer-soft", "peer-hard"), ("C0", "C2", "C1", "C3"), strict=True))
    styles = {20: "o-", 63: "s--", 1000: "^:"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
    for (method, colour), (n, style) in product(colours.items(), styles.items()):
        for axes, keys in ((left, [(k, None) for k in TERMS]), (right, [(THIRD, snr) for snr in SNRS[1:]])):
            rows = [cells[method, n, *key] for key in keys if (method, n, *key) in cells]
            x = [r["terms"] / BINS if axes is left else r["snr"] for r in rows if r["seeds"]]
            axes.plot(x, [r["exact"] for r in rows if r["seeds"]], style, color=colour, markersize=4, linewidth=1.2)
    left.set(xlabel="K / (C 2^b), no noise", ylabel="share of signals recovered exactly", ylim=(-0.04, 1.04))
    right.set(xlabel=f"SNR in dB, K = {THIRD}")
    names = {method: method.replace("peer-", "spectralexplain ") for method in colours}
    names |= {method: f"spexjax {method}" for method in ("soft", "hard")}
    handles = [plt.Line2D([], [], color=colours[method], label=names[method]) for method in colours]
    handles += [
        plt.Line2D([], [], color="grey", marker=s[0], linestyle=s[1:], label=f"n = {n}") for n, s in styles.items()
    ]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    figure.savefig(PATH.with_suffix(".png"), dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--peer-seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=60, help="seconds of CPU time for one call of the peer")
    parser.add_argument("--features", type=int, nargs="*", default=FEATURES)
    parser.add_argument("--methods", nargs="*", default=["hard", "soft", *PEERS])
    args = parser.parse_args()
    for method, n, (k, snr) in product(args.methods, args.features, CELLS):
        if asked(method, n, k, snr) and (method, n, k, snr) not in read():
            row = cell(method, n, k, snr, args.peer_seeds if method in PEERS else args.seeds, args.limit)
            put(row)
            print(row, flush=True)
    cells = read()
    loads = {f"K={k} {k / BINS:.2f}": (k, None) for k in TERMS}
    print_table(cells, "exact (seeds), by K and K / (C 2^b)", loads, lambda r: f"{r['exact']:.2f} ({r['seeds']})")
    for k in NOISY:
        columns = {"no noise" if snr is None else f"{snr} dB": (k, snr) for snr in SNRS}
        title = f"exact, precision, recall at K = {k}"
        print_table(cells, title, columns, lambda r: f"{r['exact']:.2f} {r['precision']:.3f} {r['recall']:.3f}")
    plot(cells)


if __name__ == "__main__":
    main()
