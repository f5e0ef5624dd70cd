"""The compiled programs of a surrogate: few, because kernels, masks and sets are padded to a few shapes.

A surrogate averages members: kernels with one product component or with three, each trained several times. All are
padded to three, and looked at eight by eight, the last ones padded; those that have no share are skipped. So one
program serves every surrogate of about the same size, whatever was chosen for it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._buckets import bucket, pad
from spexjax._host_program import host_program
from spexjax.gp._extension import covariances, derivatives, index_of_pairs, variances
from spexjax.gp._fourier import MAX_ORDER, coefficients, prior_variances
from spexjax.gp._kernel import ProductKernel, gram
from spexjax.gp._padding import padded_signs, resized
from spexjax.gp._posterior import host_inverse
from spexjax.gp._process import Process
from spexjax.typing import Array

_COMPONENTS = 3  # the least number of product components
_MEMBERS, _FIRSTS = 8, 2  # members in one call of a program, and kernels with standard errors
_ROWS = 1024  # new masks that are looked at in one step
_TERMS = 4096  # terms that are computed in one step
_SETS, _SET_SIZE = 64, 4  # sets in one step, and the least number of places of each
_DENSE = 256  # features up to which the indices of all pairs are computed at once
_KEPT = 2048  # masks up to which inverses are kept: 32 MiB each
_NODES = 256  # the least length of a list of nodes


class Members(NamedTuple):
    """Kernels and their weights; those with a share of 0 are skipped."""

    kernels: ProductKernel  # every leaf with a leading axis e
    alphas: Float[Array, "e M"]
    shares: Float[Array, " e"]


def means(processes: tuple[Process, ...], z: Float[Array, "m n"], new: Float[Array, "l n"]) -> Float[Array, "e l"]:
    """The mean of every member at new masks, in blocks and without padding, under any JAX transformation."""

    def at_one(x: Float[Array, " n"]) -> Float[Array, " e"]:
        def of_member(one: tuple[ProductKernel, Array]) -> Float[Array, ""]:
            return jnp.matmul(gram(one[0], x[None], z)[0], one[1], precision="highest")

        return jnp.concatenate([jax.lax.map(of_member, (p.kernels, p.alphas)) for p in processes])

    return jax.lax.map(at_one, new, batch_size=_ROWS).T


class Padded:
    """The padded form of a surrogate's processes, and what the programs read off it. All results are on the host."""

    def __init__(self, processes: Sequence[Process], masks: Bool[np.ndarray, "m n"]):
        """Pads everything.

        Args:
          processes: of the surrogate.
          masks: those they are conditioned on.
        """
        self._processes, self._masks, (m, n) = processes, masks, masks.shape
        self._size, self._rows = bucket(n), bucket(m)
        self._z = padded_signs(masks, self._rows, self._size)
        every = [
            (jax.tree.map(lambda leaf, j=j: np.asarray(leaf)[j], p.kernels), np.asarray(p.alphas)[j], float(share))
            for p in processes
            for j, share in enumerate(np.asarray(p.shares))
        ]
        self._members = self._padded(every, _MEMBERS)
        self._firsts = self._padded([(p.first, np.zeros(m), 1.0) for p in processes], _FIRSTS)
        self._num_members, self._num_firsts = len(every), len(processes)

    @property
    def inverses(self) -> list[Float[np.ndarray, "m m"]]:
        """`(K + noise I)^-1` of the first kernel of each process, in double precision; kept unless they are large."""
        return self._kept_inverses if len(self._masks) <= _KEPT else self._inverses()

    @cached_property
    def _kept_inverses(self) -> list[Float[np.ndarray, "m m"]]:
        return self._inverses()

    def _inverses(self) -> list[Float[np.ndarray, "m m"]]:
        return [host_inverse(p.first, self._masks) for p in self._processes]

    def means_at(self, masks: Bool[np.ndarray, "l n"]) -> Float[np.ndarray, "e l"]:
        """The mean of every member at each mask."""
        rows = [_by(_MEMBERS, _means, self._members, self._z, new) for new in self._blocks(masks)]
        return _joined(rows, self._num_members, len(masks))

    def gram_at(self, masks: Bool[np.ndarray, "l n"]) -> tuple[list, list]:
        """For each first kernel, the covariances of new values with the known ones, and their variance."""
        rows = [_by(_FIRSTS, _grams, self._firsts, self._z, new) for new in self._blocks(masks)]
        priors = [np.full(len(masks), float(p.first.variance + p.first.noise)) for p in self._processes]
        return list(_joined(rows, self._num_firsts, len(masks))[:, :, : len(self._masks)]), priors

    def coefficients(self, support: Int[np.ndarray, "k d"]) -> Float[np.ndarray, "e k"]:
        """The coefficients of every member."""
        some = self._sets(support, _TERMS, MAX_ORDER)
        blocks = [_by(_MEMBERS, _coefficients, self._members, self._z, sets) for sets in some]
        return _joined(blocks, self._num_members, len(support))

    def coefficient_variances(self, support: Int[np.ndarray, "k d"]) -> list[Float[np.ndarray, " k"]]:
        """For each first kernel, the prior variance of each coefficient."""
        kernels = [jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), p.first) for p in self._processes]
        return [np.asarray(prior_variances(kernel, np.asarray(support))) for kernel in kernels]

    def index(self, sets: Int[np.ndarray, "k s"], at, mu, known: Float[np.ndarray, " m"]) -> Float[np.ndarray, "_ k"]:
        """The index of every member, and then that of the function that is `known` at the masks and 0 elsewhere."""
        white, count = self._white(known, self._members), self._num_members
        order, (nodes, weights, used) = sets.shape[1], _padded_nodes(at, mu, _NODES)
        if order <= 2 and self._size <= _DENSE:
            none = np.zeros_like(weights)
            singles, pairs = (weights, none) if order == 1 else (none, weights)
            found = _by(_MEMBERS, _index_of_pairs, self._members, self._z, nodes, singles, pairs, used, white=white)
            found = found[:, sets[:, 0], sets[:, -1]]
        else:
            some = self._sets(sets, _TERMS, _SET_SIZE)
            blocks = [
                _by(_MEMBERS, _index, self._members, self._z, block, nodes, weights, used, white=white)
                for block in some
            ]
            found = np.concatenate(blocks, axis=1)[:, : len(sets)]
        return found[[*range(count), -1]].astype(np.float64)

    def index_covariances(self, sets: Int[np.ndarray, "k s"], at, mu) -> tuple[list, list]:
        """For each first kernel, and then for the white function, the covariances of the index with the values at the
        masks, and its prior variance."""
        white, count = self._white(np.zeros(len(self._masks)), self._firsts), self._num_firsts
        nodes, weights, _ = _padded_nodes(at, mu, bucket(self._size // 2 + 4))
        some = self._sets(sets, _SETS, _SET_SIZE)
        blocks = [
            _by(_FIRSTS, _index_covariances, self._firsts, self._z, block, nodes, weights, white=white)
            for block in some
        ]
        wanted = [*range(count), -1]
        cross, priors = (np.concatenate(parts, axis=1)[wanted].astype(float) for parts in zip(*blocks, strict=True))
        return list(cross[:, : len(sets), : len(self._masks)]), list(priors[:, : len(sets)])

    def _padded(self, members: list, least: int) -> Members:
        """Members, padded to a multiple of `least`."""
        r = max(_COMPONENTS, *(len(kernel.scales) for kernel, _, _ in members))
        shapes = (r,), (r, self._size), (self._size,), (0,), ()
        missing = (ProductKernel(*map(np.zeros, shapes)), np.zeros(self._rows), 0.0)
        kernels, alphas, shares = zip(*members, *[missing] * (-len(members) % least), strict=True)
        padded = [resized(kernel, self._size, r) for kernel in kernels]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves).astype(np.float32), *padded)
        weights = np.stack([pad(alpha, self._rows) for alpha in alphas]).astype(np.float32)
        return Members(stacked, weights, np.array(shares, np.float32))

    def _white(self, known: Float[np.ndarray, " m"], members: Members) -> Members:
        """A kernel under which all values are independent, padded as the members are; with a leading axis."""
        size, r = self._size, members.kernels.scales.shape[1]
        rates = np.where(np.arange(size) < self._masks.shape[1], np.inf, 0)[None]
        white = ProductKernel(np.ones(1), rates, np.zeros(size), np.zeros(0), np.zeros(()))
        one = Members(resized(white, size, r), pad(known, self._rows), np.ones(()))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[None].astype(np.float32), one)

    def _blocks(self, masks: Bool[np.ndarray, "l n"]) -> list[Float[np.ndarray, "R N"]]:
        """The signs of masks, in blocks of equal size, the last one padded."""
        rows = min(_ROWS, self._rows)
        return [padded_signs(masks[i : i + rows], rows, self._size) for i in range(0, max(1, len(masks)), rows)]

    def _sets(self, sets: Int[np.ndarray, "k d"], rows: int, width: int) -> list[Int[np.ndarray, "R D"]]:
        """Sets in blocks of equal size, padded with the padded number of features."""
        sets = np.where(sets < self._masks.shape[1], sets, self._size).astype(np.int32)
        width = width if sets.shape[1] <= width else self._size
        return [pad(sets[i : i + rows], rows, width, fill=self._size) for i in range(0, max(1, len(sets)), rows)]


def _padded_nodes(at, mu, least: int) -> tuple[Float[np.ndarray, " Q"], Float[np.ndarray, " Q"], np.int32]:
    """Nodes and weights, with nodes of weight 0 added, and how many there were."""
    size = max(least, bucket(len(at)))
    return pad(np.asarray(at, np.float32), size, fill=0.5), pad(np.asarray(mu, np.float32), size), np.int32(len(at))


def _joined(blocks: list[np.ndarray], members: int, length: int) -> Float[np.ndarray, "_ _ *_"]:
    """Blocks along the second axis, without padding, in double precision."""
    return np.concatenate(blocks, axis=1)[:members, :length].astype(np.float64)


def _by(size: int, program: Callable, members: Members, *args: Any, white: Members | None = None) -> Any:
    """What a program says of all members, so many in each call; and of the white kernel, if there is one, at the end.

    The white kernel is looked at in the first call; it has no share in the others.
    """
    join, found, last = (lambda *parts: np.concatenate(parts)), [], None
    for i in range(0, len(members.shares), size):
        some = jax.tree.map(lambda leaf, i=i: leaf[i : i + size], members)
        if white is None:
            found.append(program(some, *args))
            continue
        more = white if i == 0 else white._replace(shares=np.zeros_like(white.shares))
        out = program(jax.tree.map(join, some, more), *args)
        found.append(jax.tree.map(lambda leaf: leaf[:-1], out))
        last = jax.tree.map(lambda leaf: leaf[-1:], out) if i == 0 else last
    return jax.tree.map(join, *found, *([] if last is None else [last]))


def _over_members(members: Members, function: Callable[[ProductKernel, Array], Any]) -> Any:
    """`function(kernel, alpha)` of every member, stacked; 0 for those with no share, which cost nothing."""

    def of_one(one: Members) -> Any:
        like = jax.eval_shape(function, one.kernels, one.alphas)
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
        return jax.lax.cond(one.shares != 0, lambda: function(one.kernels, one.alphas), lambda: zero)

    return jax.lax.map(of_one, members)


def _on_host(program: Callable) -> Callable:
    """Compiles a program whose results are wanted on the host."""
    compiled = host_program(program)
    return lambda *args: jax.tree.map(np.asarray, compiled(*args))


@_on_host
def _means(members: Members, z: Float[Array, "M N"], new: Float[Array, "R N"]) -> Float[Array, "e R"]:
    def of_one(kernel: ProductKernel, alpha: Float[Array, " M"]) -> Float[Array, " R"]:
        one = dataclasses.replace(kernel, scales=kernel.scales[:1], rates=kernel.rates[:1])
        some = (lambda: gram(kernel, new, z)), (lambda: gram(one, new, z))  # many members have one component
        return jnp.matmul(jax.lax.cond(jnp.any(kernel.scales[1:]), *some), alpha, precision="highest")

    return _over_members(members, of_one)


@_on_host
def _grams(members: Members, z: Float[Array, "M N"], new: Float[Array, "R N"]) -> Float[Array, "e R M"]:
    return _over_members(members, lambda kernel, alpha: gram(kernel, new, z))


@_on_host
def _coefficients(members: Members, z: Float[Array, "M N"], support: Int[Array, "k d"]) -> Float[Array, "e k"]:
    return _over_members(members, lambda kernel, alpha: coefficients(kernel, z < 0, alpha, support))


@_on_host
def _index_of_pairs(members: Members, z: Float[Array, "M N"], at, singles, pairs, count) -> Float[Array, "e N N"]:
    return _over_members(members, lambda kernel, alpha: index_of_pairs(kernel, z, alpha, at, singles, pairs, count))


@_on_host
def _index(members: Members, z: Float[Array, "M N"], sets: Int[Array, "k d"], at, mu, count) -> Float[Array, "e k"]:
    def of_one(kernel: ProductKernel, alpha: Float[Array, " M"]) -> Float[Array, " k"]:
        def add(i: Int[Array, ""], total: Float[Array, " k"]) -> Float[Array, " k"]:
            return total + mu[i] * derivatives(kernel, z, alpha, sets, at[i][None])[0]

        return jax.lax.fori_loop(0, count, add, jnp.zeros(len(sets), z.dtype))

    return _over_members(members, of_one)


@_on_host
def _index_covariances(members: Members, z: Float[Array, "M N"], sets: Int[Array, "k d"], at, mu):
    return _over_members(
        members,
        lambda kernel, alpha: (covariances(kernel, z, sets, at, mu), variances(kernel, sets, at, mu)),
    )
