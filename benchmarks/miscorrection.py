"""How often a BCH code of SPEX takes t + 1 or t + 2 features for a set of at most t: the rate of miscorrection.

Sets of up to t features are all decoded, which the tests check against galois. A larger one is refused, or taken for
another set; then the decoder's tests of the bin and of the other groups must reject it. At full length n = 2^m - 1 the
rate tends to 1 / t!.

    python benchmarks/miscorrection.py
"""

import json

import jax
import jax.numpy as jnp
from common import RESULTS_FOLDER

import spexjax as sx

BLOCK = 2_000


def wrong(key, code, order: int) -> int:
    """How many of so many random sets of that order are taken for another set."""
    n = code.num_features
    keys = jax.random.split(key, BLOCK)
    sets = jax.vmap(lambda k: jax.random.choice(k, n, (order,), replace=False))(keys)
    parities = jnp.bitwise_xor.reduce(jnp.asarray(code.parity_check).T[sets], axis=1)
    return int(sx.codes.decode(code, parities)[1].sum())


def main():
    rows = []
    print(f"{'n':>6}{'t':>3}{'delays':>8}{'order t + 1':>13}{'order t + 2':>13}")
    for n, t in [(2**m - 1, t) for m in range(3, 15) for t in (2, 3, 5) if t + 2 <= 2**m - 1]:
        code, rates, blocks = sx.codes.bch(n, t), {}, 10 if n < 1024 else 2
        for more in (1, 2):
            keys = jax.random.split(jax.random.fold_in(jax.random.key(n), more), blocks)
            rates[f"order t + {more}"] = sum(wrong(k, code, t + more) for k in keys) / (blocks * BLOCK)
        rows.append({"n": n, "t": t, "delays": len(code.parity_check) + 1, "sets": blocks * BLOCK, **rates})
        print(f"{n:>6}{t:>3}{rows[-1]['delays']:>8}" + "".join(f"{rate:>13.5f}" for rate in rates.values()), flush=True)
        jax.clear_caches()
    record = {"command": "python benchmarks/miscorrection.py", "rows": rows}
    (RESULTS_FOLDER / "miscorrection.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
