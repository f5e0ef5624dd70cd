"""The record of an evaluation: the values, and what they cost."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax._equality import by_content
from spexjax._numbers import counted
from spexjax.spectrum import Spectrum
from spexjax.typing import Array, Relevances


@by_content
@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Values and what they cost.

    Attributes:
      values: `[m]`, or `[m, t]` for an ablation of t values.
      covalues: `[m, c]`, what else the same evaluations tell, NaN where the store lacks it; None if nothing.
      num_evaluations: how many were run, after equal masks and masks with equal inputs were merged.
      num_reused: masks whose values were in the store.
      num_programs: input shapes; each is compiled at most once.
      padding: the share of the work that answered nothing.
      plan_seconds: work on the host before the first batch; later plans are made while the device works.
      compile_seconds: tracing and compiling programs, or reading them from a disk.
      seconds: all of it.
      structure: `Ablation.structure` of the ablation, for proxies that can use it.
      noise: the mean variance of the values' own errors, known where masks were measured several times.
      priors: functions that the values are expected to resemble, each up to a factor; for methods that can use them.
      relevances: `[n]`, how much each feature is expected to matter, if anything was known before; for proxies that can
        use it.
    """

    values: Float[Array, "m *t"]
    num_evaluations: int = 0
    num_reused: int = 0
    num_programs: int = 0
    padding: float = 0.0
    plan_seconds: float = 0.0
    compile_seconds: float = 0.0
    seconds: float = 0.0
    covalues: Float[Array, "m c"] | None = None
    structure: str | None = "auto"
    noise: float = 0.0
    priors: tuple[Spectrum, ...] = ()
    relevances: Relevances | None = None

    @classmethod
    def given(cls, values: ArrayLike) -> "Evaluation":
        """Values that are known already, and cost nothing."""
        return cls(np.asarray(values))

    def then(self, later: "Evaluation") -> "Evaluation":
        """This evaluation and a later one of the same ablation, as one."""
        covalues = later.covalues if not len(self.values) else None
        if self.covalues is not None and later.covalues is not None:
            width = max(self.covalues.shape[1], later.covalues.shape[1])
            covalues = np.concatenate([_widened(self.covalues, width), _widened(later.covalues, width)])
        return Evaluation(
            values=np.concatenate([self.values, later.values]),
            num_evaluations=self.num_evaluations + later.num_evaluations,
            num_reused=self.num_reused + later.num_reused,
            num_programs=max(self.num_programs, later.num_programs),
            padding=later.padding,
            plan_seconds=self.plan_seconds + later.plan_seconds,
            compile_seconds=self.compile_seconds + later.compile_seconds,
            seconds=self.seconds + later.seconds,
            covalues=covalues,
        )

    def describe(self) -> dict[str, Any]:
        """What it cost, as plain JSON values."""
        seconds = {
            "prepare": self.plan_seconds,
            "compile": self.compile_seconds,
            "ablations": self.seconds - self.plan_seconds - self.compile_seconds,
        }
        return {
            "evaluations": self.num_evaluations,
            "reused": self.num_reused,
            "programs": self.num_programs,
            "padding": round(self.padding, 4),
            "seconds": {phase: round(s, 3) for phase, s in seconds.items()},
        }

    def __str__(self) -> str:
        programs = counted(self.num_programs, "program")
        return (
            f"{len(self.values)} ablations by {self.num_evaluations} evaluations in {self.seconds:.1f} s "
            f"({programs} compiled in {self.compile_seconds:.1f} s, {self.padding:.0%} padding)"
        )


def _widened(covalues: Float[Array, "m c"], width: int) -> Float[Array, "m w"]:
    """The same if they are as wide; else NaN, because they are not those of the same function."""
    return covalues if covalues.shape[1] == width else np.full((len(covalues), width), np.nan)
