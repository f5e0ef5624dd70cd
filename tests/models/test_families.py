"""Every family against transformers + torch: logits over 200 tokens, gates, tries, texts, components, saved models."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import GOLDEN
from flax import nnx
from gguf_families import CHANGES, for_gguf, write_family_gguf
from tiny_families import single, weights, write_family

import spexjax as sx
from spexjax import models
from spexjax.ablations._prompts._packing import ancestors, pack
from spexjax.models import _attention_mass

RECORD = json.loads((GOLDEN / "families.json").read_text())
FAMILIES, PLACES = RECORD["families"], RECORD["places"]
BRANCHING = ("mistral", "gemma3_text", "smollm3", "gpt2", "mixtral")


def load_family(folder, record):
    return sx.load_model(write_family(folder, record))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Models by family, each loaded once."""
    there = {}

    def load(family):
        if family not in there:
            folder = tmp_path_factory.mktemp("families") / family
            there[family] = load_family(folder, FAMILIES[family])
        return there[family]

    return load


@pytest.mark.parametrize(
    ("family", "name", "shape", "said"),
    [
        ("gpt2", "transformer.h.1.attn.c_attn.weight", None, "no tensor 'transformer.h.1.attn.c_attn.weight'"),
        ("gpt2", "transformer.h.1.attn.c_attn.bias", (), r"c_attn.bias' has shape \(\), .* asks for \d+ outputs"),
        ("phi3", "model.layers.1.mlp.gate_up_proj.weight", None, "no tensor '.*1.mlp.gate_up_proj.weight'"),
        ("phi3", "model.layers.1.self_attn.qkv_proj.weight", (7, 9), r"has shape \(7, 9\), .* asks for \d+ outputs"),
        ("gpt_neox", "gpt_neox.layers.1.attention.query_key_value.bias", (), r"has shape \(\), .* asks for"),
        ("qwen3_moe", "model.layers.1.mlp.experts.2.up_proj.weight", None, "no tensor '.*experts.2.up_proj.weight'"),
        ("qwen3_moe", "model.layers.1.mlp.experts.2.up_proj.weight", (3, 4), r"has shape \(3, 4\), but .* must agree"),
    ],
)
def test_joined_tensors_are_named_as_in_the_file(family, name, shape, said, tmp_path):
    shapes = dict(FAMILIES[family]["shapes"])
    assert shapes.pop(name)
    shapes |= {} if shape is None else {name: shape}
    with pytest.raises(ValueError, match=said):
        load_family(tmp_path, {**FAMILIES[family], "shapes": shapes})


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_transformers(family, loaded):
    ours = models.logits(loaded(family), RECORD["ids"])
    np.testing.assert_allclose(ours[PLACES, :8], FAMILIES[family]["logits"], atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_equals_transformers(family, loaded):
    """Of the last two of 200 tokens, in the second half of the layers: soft caps and windows count."""
    mass = models.attention_mass(loaded(family), RECORD["ids"], 2)
    np.testing.assert_allclose(mass[PLACES], FAMILIES[family]["attention"], atol=1e-6)
    np.testing.assert_allclose(mass.sum(), 1, atol=1e-5)


def test_attention_of_other_lengths_compiles_nothing(loaded):
    model, ids = loaded("llama"), RECORD["ids"]
    programs = _attention_mass._program(model.graph)
    programs.clear_cache()
    for length, reads in ((100, 1), (120, 1), (128, 7)):
        models.attention_mass(model, ids[:length], reads)
    assert programs._cache_size() == 1


@pytest.mark.parametrize(
    ("ids", "reads", "said"),
    [([], 1, "a list of 1 to"), ([1, 300], 1, "from 0 to 299"), ([1, 2], 0, "from 1 to 2"), ([1, 2], 3, "from 1 to 2")],
)
def test_attention_of_what_is_not_there(ids, reads, said, loaded):
    with pytest.raises(ValueError, match=said):
        models.attention_mass(loaded("llama"), ids, reads)


@pytest.mark.parametrize("family", [*FAMILIES, *(name for name in CHANGES if " " in name)])
def test_gguf_equals_safetensors(family, loaded, tmp_path):
    """The same config and the same weights, bit by bit, so that the same program gives the same logits."""
    record = for_gguf(FAMILIES[family.split()[0]], family)
    path = write_family_gguf(tmp_path / "tiny.gguf", single(record["config"]), weights(record["shapes"]))
    there, here = sx.load_model(path), load_family(tmp_path / "folder", record) if family in CHANGES else loaded(family)
    assert there.config == here.config
    chex.assert_trees_all_equal(there.parameters, here.parameters)
    if family not in CHANGES:
        np.testing.assert_allclose(models.logits(there, RECORD["ids"]), models.logits(here, RECORD["ids"]), atol=1e-5)


@pytest.mark.parametrize("family", [family for family, record in FAMILIES.items() if "gated" in record])
def test_gates_equal_hooks_of_torch(family, loaded):
    gated = FAMILIES[family]["gated"]
    gates = models.Gates(*(None if gated[k] is None else jnp.float32(gated[k]) for k in ("heads", "mlps", "experts")))
    ours = models.logits(loaded(family), RECORD["ids"], gates=gates)
    np.testing.assert_allclose(ours[PLACES, :8], gated["logits"], atol=1e-5)


@pytest.mark.parametrize("family", BRANCHING)
def test_a_trie_equals_its_branches(family, loaded):
    """Three branches longer than the window, in blocks, behind a prefix: each as if it were alone."""
    model, ids = loaded(family), RECORD["ids"]
    start, stem = ids[:20], ids[20:60]
    tails = [ids[60:75], ids[100:140], ids[60:70] + ids[90:130]]
    sequences = [stem + tail for tail in tails]
    places = [list(range(20, 20 + len(sequence))) for sequence in sequences]
    rows = pack(sequences, places, 1, 192)
    network = nnx.merge(model.graph, model.parameters)
    prefix = models.run_prefix(network, jnp.array([*start, 9, 9, 9, 9]), jnp.int32(20))
    above = ancestors(rows.ends, 64, 64)
    gates = models.Gates.open(model.config)

    @jax.jit
    def run(parameters, tokens, positions, ends, prefix):
        network = nnx.merge(model.graph, parameters)
        hidden, _ = network(tokens, positions, ends, prefix, gates, jnp.asarray(above))
        return network.logits(hidden[0])

    packed = run(model.parameters, rows.tokens, rows.positions, rows.ends, prefix)
    assert len(rows.tokens) == 1
    assert rows.used[0] < sum(map(len, sequences))
    for sequence, (last,) in zip(sequences, rows.last_nodes, strict=True):
        alone = models.logits(model, start + sequence)[-1]
        np.testing.assert_allclose(packed[last], alone, atol=1e-4)


@pytest.mark.parametrize("family", ["gemma3_text", "gpt2"])
def test_text_of_every_length(family, loaded):
    """The lens on text, whose prompts are longer than the window, against one forward pass for each mask."""
    model = loaded(family)
    text = "the quick brown fox jumps over lazy dogs"
    ablation = sx.ablations.text(model, text, question="It's not what they've said " * 4, answers=("e", "a"))
    masks = np.array([[1] * 8, [0, 1] * 4, [1, 1, 0, 0, 1, 1, 0, 1], [0] * 8], bool)
    values = sx.evaluate(ablation, masks)
    for mask, value in zip(masks, values, strict=True):
        ((ids, _),) = ablation.sequences(mask[None])[0]
        last = models.logits(model, ids)[-1]
        assert value == pytest.approx(last[ablation.targets[0]] - last[ablation.targets[1]], abs=1e-4)
    assert sx.ablations.text(model, text, question="Which?").answers[0]  # generated


def test_experts_are_components(loaded):
    model = loaded("qwen3_moe")
    ablation = sx.ablations.components(model, ["the quick brown fox", "the lazy"], ("e", "a"), units="expert")
    assert ablation.feature_names[:5] == ("L0.E0", "L0.E1", "L0.E2", "L0.E3", "L1.E0")
    masks = np.array([[1] * 8, [0, 1, 1, 1, 1, 0, 1, 1]], bool)
    values = sx.evaluate(ablation, masks)
    for mask, value in zip(masks, values, strict=True):
        gates = models.Gates.open(model.config)._replace(experts=jnp.float32(mask.reshape(2, 4)))
        lasts = [models.logits(model, ids, gates=gates)[-1] for ids in ablation.prompts.prompts]
        right, wrong = (model.encode([answer])[0][0] for answer in ("e", "a"))
        assert value == pytest.approx(np.mean([last[right] - last[wrong] for last in lasts]), abs=1e-5)
    with pytest.raises(ValueError, match="no experts"):
        sx.ablations.components(loaded("gpt2"), ["the"], ("e", "a"), units="expert")
    with pytest.raises(ValueError, match="fill 'zero'"):
        sx.ablations.components(model, ["the"], ("e", "a"), units="expert", fill="mean")


def test_a_saved_model_is_the_same(loaded, tmp_path):
    for family in ("gemma3_text", "mixtral"):
        model = loaded(family)
        again = sx.load_model(models.save_model(model, tmp_path / family))
        assert again.config == model.config
        np.testing.assert_array_equal(models.logits(again, [5, 6, 7]), models.logits(model, [5, 6, 7]))


def test_logits_refuses_what_is_no_text(loaded, unchecked):
    model = loaded("gpt2")
    for ids, named in (([], "1 to 256"), ([1] * 300, "1 to 256"), ([300], "0 to 299"), ([0.5], "whole")):
        with pytest.raises(ValueError, match=named):
            models.logits(model, ids)
