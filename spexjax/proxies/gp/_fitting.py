"""Training the members of a fit: two programs, whatever the numbers of masks and features within a bucket."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._buckets import bucket, pad
from spexjax._host_program import host_program
from spexjax.gp import ProductKernel, Strings, padded_signs, padded_strings, resized, strings
from spexjax.proxies.gp._parameters import Parameters, Tied, Untied
from spexjax.proxies.gp._training import JOINT_WEIGHT, train
from spexjax.typing import Array, Masks, Relevances

_TRIAL = 512  # masks on which kernels with and without a part for neighbours are compared
_PAIRED = 0.95  # share of masks with a complement from which on the others do not train
_MAX_LIKELIHOOD = 1536  # masks whose likelihood trains a member


class Split(NamedTuple):
    """Masks, and what each of them is used for.

    Every form has one member for each of the subsets. The last K leave out fold 0, ..., K-1, and the members trained
    on them predict that fold.
    """

    masks: Masks
    fold: Int[np.ndarray, " m"]  # 0..K-1
    partner: Int[np.ndarray, " m"]  # the row of each mask's complement, its own row if there is none
    paired: bool  # whether the rows below come in pairs, each mask with its complement
    everything: Int[np.ndarray, " _"] | None  # rows of all folds; None if the subsets below are as large
    outside: Sequence[Int[np.ndarray, " _"]]  # K times, the rows outside a fold whose likelihood trains a member
    inner: Int[np.ndarray, " h"]  # rows whose held-out errors count: all but the two ends
    strings: Strings | None = None  # if the kernels have a part for them; the rows are not paired then

    @property
    def num_folds(self) -> int:
        return len(self.outside)

    @property
    def size(self) -> tuple[int, int]:
        """The numbers of masks and features that both are padded to."""
        return bucket(self.masks.shape[0]), bucket(self.masks.shape[1])

    @property
    def tried(self) -> Int[np.ndarray, " t"]:
        """The rows of a trial: of those that train the first member, as many as a trial takes."""
        return (self.outside[0] if self.everything is None else self.everything)[:_TRIAL]

    def padded(self, y: Float[np.ndarray, "m *c"]) -> tuple[Float[np.ndarray, "M N"], Float[np.ndarray, "M *c"]]:
        """The signs of the masks and the values, padded."""
        rows, features = self.size
        return padded_signs(self.masks, rows, features), pad(np.asarray(y, np.float32), rows, *y.shape[1:])

    @property
    def basis(self) -> Float[np.ndarray, "M L"]:
        """The strings at the masks, less their means, padded; L is 0 if there are none."""
        rows, features = self.size
        if self.strings is None:
            return np.zeros((rows, 0), np.float32)
        at = self.strings.at(self.masks)
        return pad(at - at.mean(0), rows, padded_strings(features))

    def subset(self, rows: Int[np.ndarray, " s"], most: int) -> Int[np.ndarray, " S"]:
        """Rows, padded with one that does not exist to as many as there may be in this bucket, and at most `most`."""
        return pad(rows.astype(np.int32), min(self.size[0], most), fill=self.size[0])

    def subset_outside(self) -> Int[np.ndarray, "K S"]:
        """The same for the rows outside each fold: two thirds of all masks, if there are three folds."""
        return np.stack([self.subset(rows, largest_outside(self.size[0])) for rows in self.outside])

    def sides(self, rows: Int[np.ndarray, "*k s"]) -> Int[np.ndarray, "*k b S"]:
        """Rows as `train` wants them: all in one line, or complements side by side in two."""
        return np.moveaxis(rows.reshape(*rows.shape[:-1], -1, 2), -1, -2) if self.paired else rows[..., None, :]

    def chosen(self, y: Float[np.ndarray, " m"], rows: Int[np.ndarray, " s"]) -> tuple[np.ndarray, ...]:
        """What `train` takes of some rows: the signs, the values, and 1 for each that is no padding."""
        (z, target), rows = self.padded(y[:, None]), self.sides(rows)
        real, place = (rows < self.size[0])[..., None], np.where(rows < self.size[0], rows, 0)
        return z[place[0]] * real[0], target[place] * real, real[0, :, 0].astype(np.float32)


def largest_outside(num_masks: int) -> int:
    """The most masks outside a fold that train a member: two thirds of all, or a bound."""
    return min(-(-2 * num_masks // 24) * 8, _MAX_LIKELIHOOD)


def split_masks(order: Int[np.ndarray, " h"], masks: Masks, fold, partner, inner) -> Split:
    """Chooses the masks whose likelihood trains each member: those outside each fold.

    Before these comes a subset of all folds, if it can be larger.

    Args:
      order: the rows that may be chosen, in random order. If almost all come with their complements, only those do
        train: in pairs, which is faster.
      masks: as in `Split`.
      fold: as in `Split`.
      partner: as in `Split`.
      inner: as in `Split`.
    """
    firsts = order[(order < partner[order]) & np.isin(partner[order], order) & (fold[order] == fold[partner[order]])]
    paired = 2 * len(firsts) >= _PAIRED * len(order)
    if paired:
        order = np.stack([firsts, partner[firsts]], 1).ravel()
    most = largest_outside(bucket(len(masks)))
    outside = [order[fold[order] != k][:most] for k in range(fold.max() + 1)]
    everything = order[:_MAX_LIKELIHOOD] if most < _MAX_LIKELIHOOD else None
    return Split(masks, fold, partner, paired, everything, outside, inner)


class Trained(NamedTuple):
    """One member, or several with a leading axis; padded and on the host."""

    parameters: Parameters
    kernel: ProductKernel
    strings: Float[np.ndarray, "*e L"]
    loss: Float[np.ndarray, "*e"]

    def at(self, place: int | slice) -> "Trained":
        """One or some of several members."""
        return jax.tree.map(lambda leaf: leaf[place], self)


def is_joint(y: Float[np.ndarray, "m *c"]) -> bool:
    """Whether these are several functions; columns of 0 are padding."""
    return y.ndim == 2 and bool(y[:, 1:].any())


def starts_of(
    n: int,
    ordered: bool,
    like: Sequence[ProductKernel] = (),
    relevances: Relevances | None = None,
) -> list[Parameters]:
    """The initial parameters of the tied and of the untied form, padded.

    Args:
      n: the number of features.
      ordered: whether kernels have a part for neighbours.
      like: kernels of other inputs, as in `KernelForm.init`.
      relevances: as in `KernelForm.init`.
    """
    return [form.init(n, np.array(ordered), like, bucket(n), relevances) for form in (Tied, Untied)]


def try_neighbours(
    of: Split,
    y: Float[np.ndarray, "m *c"],
    structure: str | None = "auto",
    relevances: Relevances | None = None,
) -> tuple[bool, Trained]:
    """Trains one kernel with and one without a part for neighbours, and compares their evidence.

    Neighbouring features interact more than others if that part gains more than one nat.

    Args:
      of: the masks; those `tried` are used.
      y: as in `train_members`.
      structure: `Ablation.structure`; None for features without an order, which have no neighbours.
      relevances: as in `starts_of`.

    Returns:
      Whether there is such a part, and the better of the two.
    """
    n = of.masks.shape[1]
    starts = [starts_of(n, part, relevances=relevances)[0] for part in (False, True)]
    both = _train(starts, of, y, [of.subset(of.tried, _TRIAL)] * 2)
    nats = (both.loss[0] - both.loss[1]) * len(of.tried) / (JOINT_WEIGHT if is_joint(y) else 1)
    ordered = n > 1 and structure is not None and bool(nats > 1)
    return ordered, both.at(int(ordered))


def try_strings(
    starts: list[Parameters], of: Split, y: Float[np.ndarray, "m *c"], trial: Trained
) -> tuple[list[Parameters], Split, Trained]:
    """Trains a kernel with a part for strings, and compares its evidence with that of one without.

    Strings are used if they gain more than one nat.

    Args:
      starts: the initial parameters of each form, the tied one first.
      of: the masks; those `tried` are used.
      y: as in `train_members`.
      trial: the kernel without.

    Returns:
      The starts, the split and the trial to go on with.
    """
    found = strings(of.masks.shape[1])
    split, with_strings = of._replace(strings=found, paired=False), [start.with_strings(found) for start in starts]
    mine = _train(with_strings[:1], split, y, [of.subset(of.tried, _TRIAL)]).at(0)
    nats = (trial.loss - mine.loss) * len(of.tried) / (JOINT_WEIGHT if is_joint(y) else 1)
    return (with_strings, split, mine) if nats > 1 else (starts, of, trial)


def train_members(
    starts: Sequence[Parameters], of: Split, y: Float[np.ndarray, "m *c"], trial: Trained | None = None
) -> list[Trained]:
    """Trains every form on every subset.

    Args:
      starts: the initial parameters of each form, the tied one first.
      of: the masks.
      y: the values there, or those of several functions as in `loss`.
      trial: of the tied form, on the same masks and values: the first member, if it took all of `of.everything`.

    Returns:
      The members of each form.
    """
    folds = list(of.subset_outside())
    members = _train([start for start in starts for _ in folds], of, y, folds * len(starts))
    forms = [members.at(slice(i, i + len(folds))) for i in range(0, len(starts) * len(folds), len(folds))]
    if of.everything is None:
        return forms
    firsts = [trial] if trial and len(of.tried) == len(of.everything) else []
    missing = starts[len(firsts) :]
    if missing:
        rest = _train(missing, of, y, [of.subset(of.everything, _MAX_LIKELIHOOD)] * len(missing))
        firsts += [rest.at(i) for i in range(len(missing))]
    join = partial(jax.tree.map, lambda one, others: np.concatenate([one[None], others]))
    return [join(first, members) for first, members in zip(firsts, forms, strict=True)]


def first_kernel(start: Parameters, of: Split, y: Float[np.ndarray, "m *c"]) -> ProductKernel:
    """The kernel trained on the rows of the first member, without padding.

    Args:
      start: the initial parameters.
      of: the masks.
      y: as in `train_members`.
    """
    rows = of.outside[0] if of.everything is None else of.everything
    return unpadded(_train([start], of, y, [of.subset(rows, _MAX_LIKELIHOOD)]).at(0).kernel, of.masks.shape[1])


def unpadded(kernel: ProductKernel, n: int) -> ProductKernel:
    """The kernel of n features, without components of scale 0.

    Args:
      kernel: with or without a leading axis of members.
      n: the number of features.
    """
    return resized(kernel, n, max(1, int(np.any(np.atleast_2d(kernel.scales), axis=0).sum())))


def _train(starts: Sequence[Parameters], of: Split, y: Float[np.ndarray, "m *c"], rows: Sequence) -> Trained:
    """Trains from several starts, each on some rows, in batches of equal size: two of all masks, two for each fold."""
    batch = 2 if len(rows[0]) != largest_outside(of.size[0]) else 2 * of.num_folds
    (z, target), joint, basis = of.padded(y.reshape(len(y), -1)), np.array(is_joint(y)), of.basis
    found = []
    for i in range(0, len(starts), batch):
        some, chosen = list(starts[i : i + batch]), list(rows[i : i + batch])
        missing, wanted = batch - len(some), np.arange(batch) < len(some)
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *some, *some[:1] * missing)
        sides = of.sides(np.stack(chosen + chosen[:1] * missing))
        found.append(_train_batch(stacked, wanted, z, target, sides, joint, basis))
    joined = jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *found)
    return Trained(*joined).at(slice(len(starts)))


@host_program
def _train_batch(
    starts: Parameters,
    wanted: Bool[Array, " e"],
    z: Float[Array, "M N"],
    y: Float[Array, "M c"],
    rows: Int[Array, "e b S"],
    joint: Bool[Array, ""],
    basis: Float[Array, "M L"],
):
    """The parameters, the kernel, the strings' variances and the last loss of each wanted member.

    Rows that do not exist are padding.
    """
    z, y, basis = jnp.asarray(z), jnp.asarray(y), jnp.asarray(basis)

    def trained(start: Parameters, some: Int[Array, "b S"]) -> tuple[Parameters, ProductKernel, Array, Array]:
        chosen = ((z, some[0]), (y, some), (jnp.ones_like(y[:, 0]), some[0]), (basis, some[0]))
        z_some, y_some, used, basis_some = (a.at[rows].get(mode="fill", fill_value=0) for a, rows in chosen)
        parameters, losses = train(start, z_some, y_some, used, joint, basis_some)
        return parameters, parameters.kernel(), parameters.strings(), losses[-1]

    def one(member: tuple[Parameters, Bool[Array, ""], Int[Array, "b S"]]):
        start, is_wanted, some = member
        untrained = start, start.kernel(), start.strings(), jnp.zeros((), y.dtype)
        return jax.lax.cond(is_wanted, lambda: trained(start, some), lambda: untrained)

    # `platform_dependent` would trace both, half a second for every fit of a new process.
    over_members = jax.lax.map if jax.default_backend() == "cpu" else lambda f, members: jax.vmap(f)(members)
    return over_members(one, (starts, wanted, rows))
