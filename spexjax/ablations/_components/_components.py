"""The lens on components: heads, MLPs or layers of a language model are removed while it answers prompts."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from spexjax._identity import fingerprint_of
from spexjax.ablation import Ablation, Batch, Plan
from spexjax.ablations._components import _references
from spexjax.ablations._components._fill import FILLS, Fill, checked_references, checked_sources
from spexjax.ablations._components._gated_model import GatedParameters, Targets, gated_program, stream
from spexjax.ablations._components._gating import Components, select
from spexjax.ablations._components._precheck import precheck_components
from spexjax.ablations._components._prompt_set import AVERAGES, Forest, PromptSet, encode, plant, read
from spexjax.ablations._gradient import Gradient
from spexjax.ablations._prompts._own_value import Value, check_scalar, own_value
from spexjax.models import LanguageModel, check_model, nodes_that_fit, tensor_parallel
from spexjax.typing import Masks

_MANY = 8  # steps; from here on, one that is not full costs little


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ComponentAblation(Ablation):
    """f(mask) = the mean value over prompts of a model with only the kept components; made by `components`.

    All prompts are packed together (see `pack`), so that a common beginning is run once per mask. Layers below the
    first with a feature are run once for all masks.
    """

    model: LanguageModel
    texts: tuple[str, ...]
    prompts: PromptSet
    references: tuple[tuple[int, ...], ...]
    units: str
    components: Components
    fill: str
    filling: Fill  # what the name stands for
    rescale: bool
    value: str
    per_prompt: bool
    doubts: tuple[str, ...]  # what was warned of when it was made
    own: Value | None = None  # the function of the user's that `value` is the name of
    has_covalues = True  # a sketch of the hidden states that are read; not a field

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Such as "L12.H3", "L7.MLP", or "L7" for a layer; numbers begin with 0."""
        return self.components.names

    @property
    def fingerprint(self) -> str:
        """Identifies the value function across processes: model, prompts, answers, components, fill and value."""
        parts: list[Any] = [self.model.fingerprint, self.prompts, self.references, self.components.names]
        parts += [self.fill, self.rescale, self.value]
        parts += ["per prompt"] * self.per_prompt
        if self.own is not None:
            return fingerprint_of(parts, self.own.identity)
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    @property
    def num_values(self) -> int | None:
        """The number of prompts, if each has a value of its own."""
        return len(self.texts) if self.per_prompt else None

    @property
    def value_names(self) -> tuple[str, ...] | None:
        """The prompts, if each has a value of its own."""
        return self.texts if self.per_prompt else None

    def describe_part(self, part: Sequence[int]) -> dict:
        """The prompt that is explained, or those whose values are added up."""
        each = [self._decoded(self.prompts.answers[i]) for i in part]
        prompts = {"prompts": [self.texts[i] for i in part], "prompt_answers": [list(one) for one in each]}
        value = self.value if len(part) == 1 else f"sum of the {self.value} of {len(part)} prompts"
        return prompts | {"value": value, "answers": list(each[0]) if len(set(each)) == 1 else []}

    def describe(self) -> dict:
        """What is explained, as plain JSON values."""
        each = [self._decoded(group) for group in self.prompts.answers]
        answers = set(each)
        return {
            "model": self.model.name,
            "prompts": list(self.texts),
            "prompt_answers": [list(one) for one in each],
            "answers": list(answers.pop()) if len(answers) == 1 else [],
            "value": self.value,
            "units": self.units,
            **({} if self.own is None else {"own_value": self.own.called}),
            "removal": self.fill + ", the layer's other heads scaled up" * self.rescale,
            **({"warnings": list(self.doubts)} if self.doubts else {}),
        }

    def _decoded(self, answers: tuple) -> tuple[str, ...]:
        return tuple(self.model.tokenizer.decode(list(tokens)) for tokens in answers)

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """Groups the masks into steps of one size; in each, all masks' prompts are rows of one pass."""
        masks = np.asarray(masks)
        return Plan(
            owner=np.arange(len(masks)),
            num_evaluations=len(masks),
            apply=self._program,
            parameters=self._parameters,
            batches=self._batches(masks, devices, shrink),
            partition=tensor_parallel,
        )

    def gradient(self, keep: float) -> Gradient | None:
        """With respect to the gates, each being `keep`; None for an accuracy, which has steps, a function of the
        user's, which may have some, and `per_prompt`.
        """
        if self.value == "accuracy" or self.own is not None or self.per_prompt:
            return None
        names, fingerprint = self.feature_names, self.fingerprint
        return Gradient(self._program, self._parameters, names, fingerprint, keep, tensor_parallel)

    @property
    def _program(self) -> Callable:
        settings = self.own or self.value, self.prompts.choice, self.rescale, self.per_prompt
        lengths = None if self.own is None else tuple(len(answers[0]) for answers in self.prompts.answers)
        return gated_program(self.model.graph, self.components.first, *settings, lengths)

    def _batches(self, masks: np.ndarray, devices: int, shrink: int) -> Iterator[Batch]:
        (r, t), each = self._forest.tokens.shape, -(-len(masks) // devices)
        fit = nodes_that_fit(self.model.config, self.model.dtype, t) // shrink
        size = max(1, min(each, fit // (r * t)))
        if 0 < each < _MANY * size:  # few steps are filled evenly; many are of one size whatever their number
            size = -(-each // -(-each // size))
        for start in range(0, len(masks), size):
            part = masks[start : start + size]
            spare = size - len(part)
            slots = np.pad(np.arange(start, start + len(part)), (0, spare), constant_values=-1)
            inputs = np.concatenate([part, np.repeat(part[:1], spare, 0)])
            yield Batch(slots, inputs, len(part) * self._forest.used, size * r * t)

    @functools.cached_property
    def _forest(self) -> Forest:
        if not self.filling.uses_references:
            return plant(self.prompts)
        ends = [len(prompt) for prompt in self.prompts.prompts]
        sequences = self.prompts.sequences()
        sources = self.filling.sources(sequences, ends, self.references)
        return plant(self.prompts, checked_sources(sources, sequences, self.references))

    @functools.cached_property
    def _parameters(self) -> GatedParameters:
        """Runs the layers that are the same for all masks, and the references."""
        model, forest, first = self.model, self._forest, self.components.first
        below = stream(model.graph, first)(model.parameters, forest.tokens, forest.positions, forest.ends)
        substitute = None
        if self.filling.uses_references:
            references = _references.stack(self.references)
            substitute = _references.substitute(
                model.graph, model.parameters, self.filling, references, first, forest.sources
            )
        targets, owners = _targets(self.prompts, forest), self.components.owners
        return GatedParameters(model.parameters, below, forest.positions, forest.ends, owners, substitute, targets)


def components(
    model: LanguageModel,
    prompts: Sequence[str],
    answers: str | Sequence[str] | Sequence[Sequence[str]],
    *,
    units: str = "head",
    layers: Iterable[int] | None = None,
    fill: str = "zero",
    references: Sequence[str] | None = None,
    rescale: bool = False,
    value: str | Value | Callable[..., Any] | None = None,
    per_prompt: bool = False,
) -> ComponentAblation:
    """The value function of a model's components: n heads, MLPs or layers are kept or removed while it answers.

    The output of a removed component is replaced at all tokens, `gate * output + (1 - gate) * fill`. A head's output
    is taken before the output projection, whose bias stays.

    Args:
      model: from `load_model`.
      prompts: texts that end where the answer begins, taken as they are: special tokens written in them count, and the
        beginning-of-sequence token is added if the tokenizer adds one.
      answers: the right answer, then those it is compared with; the same for all prompts, or a tuple for each prompt.
      units: "head", "mlp", "layer" (all heads and the MLP together), "head+mlp" or, in a mixture of experts, "expert",
        whose weight in the sum goes to no other expert.
      layers: the layers whose components are features, numbered from 0; all by default. Each mask runs only the layers
        from the first of these on.
      fill: "zero"; "mean", the component's mean output over all tokens of the references; "resample", its output in
        another prompt (prompt i takes it from reference `i mod f`; a common beginning is aligned with itself, the rest
        from the end); or the name of a fill that you registered with `register_fill`.
      references: prompts; by default the prompts themselves, for "resample" each prompt's successor.
      rescale: multiply the kept heads of a layer by the number of its heads over the number of kept ones; for heads
        with fill "zero" (ProxySPEX, arXiv 2505.17495).
      value: the number that is averaged over prompts. "logit-difference": the logit of the right answer's first token
        less the largest of the other answers'. "log-probability": of the one answer, over all its tokens. "accuracy": 1
        if the logit difference is positive or, with one answer, if its tokens are the most likely ones; else 0. By
        default "logit-difference" for several answers, "log-probability" for one. Or a JAX function
        `fn(log_probs[k, v], targets[k])` of all log-probabilities at the one answer's k tokens; see `Value`.
      per_prompt: give every prompt's value and not their mean, for `sx.explain_each`.

    Raises:
      ValueError: if an option is unknown, a layer is not there, an answer does not fit the value, a prompt is empty or
        exceeds the model's context, or references or rescaling do not fit the fill.
    """
    options: dict[str, Any] = {"fill": fill, "references": references, "rescale": rescale, "value": value}
    precheck_components(prompts, answers, units=units, **options)
    check_model(model)
    filling = FILLS.get(fill)
    found = select(model.config, units, layers)
    own = own_value(value, AVERAGES, answers)
    read_off_as = value if isinstance(value, str | None) else "log-probability"  # which reads the same tokens
    prompt_set, read_off = read(model, prompts, answers, read_off_as)
    if own is not None:
        check_scalar(own, [len(one[0]) for one in prompt_set.answers], model.config.vocab_size)
    if references is not None:
        filled = encode(model, references)
        longest = max(map(len, filled))
        if longest > model.config.max_length:
            raise ValueError(f"A reference has {longest} tokens, more than the model's {model.config.max_length}.")
    elif filling.uses_references:
        filled = checked_references(filling.references(prompt_set.prompts), model.config.vocab_size)
    else:
        filled = ()
    how = units, found, fill, filling, rescale
    read_as = read_off.value if own is None else own.called, per_prompt, read_off.doubts, own
    return ComponentAblation(model, tuple(prompts), prompt_set, filled, *how, *read_as)


def _targets(prompts: PromptSet, forest: Forest) -> Targets:
    if prompts.choice:
        firsts = [[tokens[0] for tokens in group] for group in prompts.answers]
        tokens, answers = np.unique(firsts, return_inverse=True)
        return Targets(forest.reads, forest.counted, tokens.astype(np.int32), answers.reshape(np.shape(firsts)))
    answers = np.zeros(forest.reads.shape, np.int32)
    answers[forest.counted] = np.concatenate([group[0] for group in prompts.answers])
    return Targets(forest.reads, forest.counted, np.zeros(0, np.int32), answers)
