"""The file of an explanation: what was saved is loaded, bit for bit, and whatever else lies there is one sentence."""

import base64
import dataclasses
import json
import random
import subprocess
import sys
import time
import tracemalloc
import unicodedata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import saving_interrupted
from common import GOLDEN, all_masks, random_surrogate

import spexjax as sx
from spexjax.explanation import _saved as saved
from spexjax.explanation._explanation import Explanation, Faithfulness
from spexjax.gp import ProductKernel

OLD = GOLDEN / "explanation_format_1"


def content(explanation):
    return saved.encode(explanation, Explanation, Faithfulness)


def made(values=None, *, n=4, names=None, terms=None, surrogate=None, r2=0.5, **details):
    masks = all_masks(n)
    values = np.linspace(-1, 2, len(masks)) if values is None else values
    spectrum = sx.Spectrum.from_dict({(): 0.5, (0,): -0.25} if terms is None else terms, n)
    faithfulness = Faithfulness(r2, np.arange(len(masks)), "by hand")
    names = tuple(f"x{i}" for i in range(n)) if names is None else names
    return Explanation(spectrum, faithfulness, names, "hand", masks, values, details, {}, surrogate)


def with_surrogate(n=6, m=20):
    surrogate, rows, values = random_surrogate(n, m, share=0.5, rest={(): 0.3, (1,): -0.4, (0, 2, 3): 0.6})
    return dataclasses.replace(
        made(n=n), masks=all_masks(n)[rows], values=values, surrogate=surrogate, faithfulness=FAIR
    )


FAIR = Faithfulness(0.5, np.arange(20), "by hand", 0.1)
EXPLANATIONS = {
    "no surrogate": lambda: made(),
    "a surrogate": with_surrogate,
    "one feature": lambda: made(n=1),
    "an empty spectrum": lambda: made(terms={}),
    "R2 unknown": lambda: made(r2=float("nan")),
    "R2 without bound": lambda: made(r2=float("-inf")),
    "huge values": lambda: made(1e37 * np.linspace(-1, 2, 16)),
    "the largest values": lambda: made(np.full(16, np.finfo(np.float64).max)),
    "tiny values": lambda: made(1e-40 * np.linspace(-1, 2, 16)),
    "the tiniest values": lambda: made(np.full(16, 5e-324)),
    "signed zeros": lambda: made(np.array([0.0, -0.0] * 8)),
    "single precision": lambda: made(np.linspace(-1, 2, 16, dtype=np.float32)),
    "names of all kinds": lambda: made(names=("日本 ü", "\x00\x1b[31m\n\u2028\u202e", '"\\', "\ud800 and \udfff")),
    "names that are equal": lambda: made(names=("",) * 4),
}


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_what_is_saved_is_loaded(kind, tmp_path):
    explanation = EXPLANATIONS[kind]()
    loaded = sx.load(explanation.save(tmp_path))
    assert loaded.feature_names == explanation.feature_names
    assert loaded.faithfulness == explanation.faithfulness
    for before, after in zip(*map(jax.tree.leaves, ((explanation.spectrum, explanation.surrogate),
                                                    (loaded.spectrum, loaded.surrogate))), strict=True):  # fmt: skip
        assert isinstance(after, jax.Array) == isinstance(before, jax.Array)
        assert np.asarray(after).dtype == np.asarray(before).dtype
        assert np.asarray(after).tobytes() == np.asarray(before).tobytes()
    for name in ("masks", "values"):
        before, after = getattr(explanation, name), getattr(loaded, name)
        assert (before.dtype, before.tobytes()) == (after.dtype, after.tobytes())
    assert content(loaded) == content(explanation) == (tmp_path / "explanation.json").read_bytes()


def test_double_precision_is_kept_where_numpy_has_it(tmp_path):
    coefficients = np.array([3e6 + 0.5, 1 / 3])
    spectrum = sx.Spectrum(np.array([[4], [0]], np.int32), coefficients, 4)
    surrogate, rows, _ = random_surrogate(4, 16)
    surrogate = dataclasses.replace(surrogate, rest=spectrum, deviation=np.float64(1e-200))
    dataclasses.replace(made(surrogate=surrogate), spectrum=spectrum, masks=all_masks(4)[rows]).save(tmp_path)
    loaded = sx.load(tmp_path)
    for found in (loaded.spectrum.coefficients, loaded.surrogate.rest.coefficients):
        assert (found.dtype, found.tolist()) == (np.float64, coefficients.tolist())
    assert loaded.surrogate.deviation == 1e-200
    assert loaded.surrogate.masks is loaded.masks  # held once


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda e: dataclasses.replace(e, values=np.full(16, np.nan)), "16 of the 16 values are not finite"),
        (lambda e: dataclasses.replace(e, feature_names=("a",)), "1 feature names for masks of 4 features"),
        (
            lambda e: dataclasses.replace(e, diagnostics={"a": [object()]}),
            r"\['a'\]\[0\] is a object; it must be a",
        ),
        (lambda e: dataclasses.replace(e, provenance={"a": 10**5000}), "4300 digits"),
        (lambda e: dataclasses.replace(e, spectrum=unordered()), "not in increasing order"),
        (lambda e: dataclasses.replace(e, spectrum=sx.Spectrum.from_dict({(0,): 1.0}, 5)), "5 features, not 4"),
        (lambda e: dataclasses.replace(e, faithfulness=FAIR), "names masks that are not there"),
    ],
)
def test_what_would_not_be_loaded_is_not_saved(wrong, said, tmp_path):
    before = made().save(tmp_path).read_bytes()
    with pytest.raises(ValueError, match=rf"^This explanation cannot be saved: .*{said}"):
        wrong(made()).save(tmp_path)
    assert (tmp_path / "explanation.json").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def unordered():
    return sx.Spectrum(np.array([[4, 1]], np.int32), np.array([1.0]), 4)


def test_details_that_hold_themselves(tmp_path):
    details = {}
    details["again"] = details
    with pytest.raises(ValueError, match="cannot be saved: RecursionError"):
        made(**details).save(tmp_path)


def test_two_lone_surrogates_that_make_one_letter(tmp_path):
    assert sx.load(made(names=("\ud83d\ude00", "a", "b", "c")).save(tmp_path)).feature_names[0] == "\U0001f600"


def test_the_file_before_this_format():
    explanation, said = sx.load(OLD), json.loads((OLD / "said.json").read_text(encoding="utf-8"))
    masks, (r2, error, scheme, rows) = all_masks(6), said["faithfulness"]
    assert explanation.faithfulness == Faithfulness(r2, np.array(rows), scheme, error)
    assert explanation.feature_names == ("not", "good", "ü", "\u202e", "日本", "")
    np.testing.assert_array_equal(explanation.values, np.float32(said["values"]))
    terms = {tuple(s): coefficient for s, coefficient in said["terms"]}
    assert explanation.spectrum.to_dict() == pytest.approx(terms, abs=1e-6)
    np.testing.assert_allclose(explanation.surrogate(masks), said["predictions"], atol=1e-5)
    np.testing.assert_allclose(explanation.surrogate.standard_error(masks), said["errors"], rtol=1e-3)


def test_the_file_before_this_format_is_saved_anew(tmp_path):
    old = sx.load(OLD)
    new = sx.load(old.save(tmp_path))
    np.testing.assert_array_equal(new.predict(all_masks(6)), old.predict(all_masks(6)))
    assert json.loads((tmp_path / "explanation.json").read_text(encoding="utf-8"))["format"] == 3


def test_the_oldest_files_have_neither_a_surrogate_nor_an_error(tmp_path):
    record = json.loads((OLD / "explanation.json").read_text(encoding="utf-8"))
    del record["surrogate"], record["faithfulness"]["error"]
    record["faithfulness"]["r2"] = None
    (tmp_path / "explanation.json").write_text(json.dumps(record))
    oldest = sx.load(tmp_path)
    assert oldest.surrogate is None
    assert oldest.faithfulness.error == 0
    assert np.isnan(oldest.faithfulness.r2)


def changed(record, path, value):
    *parents, last = path
    for key in parents:
        record = record[key]
    record[last] = value


def bits(count, bit=1):
    return base64.b64encode(bytes([bit]) * count).decode()


OLD_FAULTS = {
    "masks that are no base64": (["masks"], "!!!!"),
    "masks too short": (["masks"], bits(39)),
    "base64 with spare bits": (["masks"], bits(40)[:-3] + "R=="),
    "a value missing": (["values"], [0.5] * 39),
    "a value that is none": (["values", 3], None),
    "a value that is a string": (["values", 3], "x"),
    "a value out of range": (["values", 3], 1e300),
    "a name that is none": (["feature_names", 0], 3),
    "names too few": (["feature_names"], ["a"] * 5),
    "R2 that is a string": (["faithfulness", "r2"], "0.9"),
    "a row that is not there": (["faithfulness", "masks", 0], 40),
    "a row that is no number": (["faithfulness", "masks", 0], 0.5),
    "a feature that is not there": (["terms", 1, "features"], [6]),
    "a coefficient that is none": (["terms", 1, "coefficient"], None),
    "sets beyond all memory": (
        ["terms"],
        [{"features": [0] * size, "coefficient": 1.0} for size in [1] * 20_000 + [20_000]],
    ),
    "a set that is there twice": (["terms"], [{"features": [0], "coefficient": 1.0}] * 2),
    "details that are a list": (["details"], []),
    "an array missing": (["surrogate", "processes", 0], []),
    "another shape": (["surrogate", "processes", 0, 1, "shape"], [1, 6, 1]),
    "a forged shape": (["surrogate", "processes", 0, 5, "shape"], [1, 10**12]),
    "a shape below zero": (["surrogate", "processes", 0, 5, "shape"], [-1, 40]),
    "a weight that is not finite": (["surrogate", "processes", 0, 6], {"shape": [1], "float32": "AADAfw=="}),
    "no members": (["surrogate", "processes", 0, 6], {"shape": [0], "float32": ""}),
    "no processes": (["surrogate", "processes"], []),
    "a variance below zero": (["surrogate", "unit"], -1.0),
    "a rest of other features": (["surrogate", "rest"], [{"features": [9], "coefficient": 1.0}]),
}


@pytest.mark.parametrize("fault", OLD_FAULTS)
def test_old_files_that_do_not_fit_together(fault, tmp_path):
    record = json.loads((OLD / "explanation.json").read_text(encoding="utf-8"))
    changed(record, *OLD_FAULTS[fault])
    refused(json.dumps(record).encode(), tmp_path)


def refused(data, folder, said="is damaged, or not an explanation that spexjax wrote"):
    """Loading the file is one sentence, at once, and takes no memory to speak of."""
    path = folder / "explanation.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=said) as error:
        sx.load(path)
    assert not any(unicodedata.category(c) == "Cc" for c in str(error.value))
    assert len(str(error.value)) < 1000


def forged(path, value):
    """A file with a right checksum whose content was changed."""
    record = json.loads(content(with_surrogate()))
    changed(record, path, value)
    head = {"format": record.pop("format"), "checksum": None}
    del record["checksum"]
    return json.dumps(head | {"checksum": saved.checksum(record)} | record).encode()


FORGED = {
    "a type of Python": (["spectrum", "type"], "os.system"),
    "a type that is a list": (["spectrum", "type"], []),
    "an object of another type": (["spectrum"], {"type": "Process"}),
    "a spectrum for faithfulness": (["faithfulness"], {"array": 0}),
    "a name of Python": (["method"], ["hand"]),
    "an array that is not there": (["values"], {"array": 99}),
    "an array before the first": (["values"], {"array": -1}),
    "masks for values": (["values"], {"array": 3}),
    "no arrays": (["arrays"], {}),
    "an unknown type of array": (["arrays", 0, "dtype"], "object"),
    "a list for a type of array": (["arrays", 0, "dtype"], []),
    "a forged shape": (["arrays", 0, "shape"], [10**12, 10**12]),
    "a forged empty shape": (["arrays", 0, "shape"], [0, 10**30]),
    "a shape of many axes": (["arrays", 0, "shape"], [1] * 10**5),
    "a shape of truths": (["arrays", 0, "shape"], [True]),
    "content that is no base64": (["arrays", 0, "base64"], "!!!!"),
    "content that is no text": (["arrays", 0, "base64"], 3),
    "an infinity of another kind": (["faithfulness", "r2"], {"float": "1e9"}),
    "a number for an object": (["surrogate"], 3),
    "processes that are none": (["surrogate", "processes"], [[]]),
    "kernels swapped": (["surrogate", "processes", 0, "kernels", "rates"], {"array": 0}),
    "another number of features": (["spectrum", "num_features"], 7),
    "names nested deeply": (["feature_names"], json.loads("[" * 300 + "]" * 300)),
}


@pytest.mark.parametrize("fault", FORGED)
def test_forged_files(fault, tmp_path):
    refused(forged(*FORGED[fault]), tmp_path)


def test_a_field_of_a_later_version_is_named(tmp_path):
    refused(
        forged(["surrogate", "curvature\x1b"], 1.0), tmp_path, said=r"Surrogate has no field 'curvature\\x1b' in this"
    )
    refused(forged(["mood"], "good"), tmp_path, said="Explanation has no field 'mood' in this version")


def test_a_field_that_has_a_default_may_be_missing(tmp_path):
    record = json.loads(forged(["method"], "hand"))
    head = {"format": record.pop("format")}
    del record["checksum"], record["surrogate"], record["provenance"], record["faithfulness"]["error"]
    (tmp_path / "explanation.json").write_text(json.dumps(head | {"checksum": saved.checksum(record)} | record))
    loaded = sx.load(tmp_path)
    assert (loaded.surrogate, loaded.provenance, loaded.faithfulness.error) == (None, {}, 0.0)
    del record["spectrum"]["support"]
    data = json.dumps(head | {"checksum": saved.checksum(record)} | record).encode()
    refused(data, tmp_path, said="Spectrum lacks the field 'support'")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an explanation that spexjax wrote"),
        (b"[]", "not an explanation that spexjax wrote"),
        (b"\xff\x00", "not an explanation that spexjax wrote"),
        (b"[" * 10**6, "not an explanation that spexjax wrote"),
        (b'{"format": ' + b"9" * 10**4 + b"}", "not an explanation that spexjax wrote"),
        (b"{}", "has format None; this spexjax reads formats 1 to 3"),
        (b'{"format": true}', "has format True; this spexjax reads"),
        (b'{"format": "\\u001b[31m"}', r"has format '\\x1b\[31m'; this spexjax reads"),
        (b'{"format": 4}', "has format 4; this spexjax reads"),
        (b'{"format": 1}', "is damaged, or not an explanation .* KeyError"),
        (b'{"format": 2}', "is damaged, or not an explanation .* KeyError: 'checksum'"),
        (b'{"format": 2, "checksum": ""}', "its content does not match its checksum"),
        (b'{"format": 1, "feature_names": 3, "faithfulness": {}}', "is damaged, or not an explanation .* TypeError"),
    ],
)
def test_files_that_are_none(data, said, tmp_path):
    refused(data, tmp_path, said)


@pytest.mark.parametrize("kind", ["a surrogate", "no surrogate"])
def test_damaged_files_are_equal_or_refused(kind, tmp_path):
    rng, whole, path, accepted = random.Random(0), content(EXPLANATIONS[kind]()), tmp_path / "explanation.json", 0
    damages = [flipped(whole, rng) for _ in range(60)]
    damages += [whole[: rng.randrange(len(whole))] for _ in range(20)]
    damages += [forged_size(whole, rng) for _ in range(20)]
    tracemalloc.start()
    for damaged in damages:
        path.write_bytes(damaged)
        start = time.perf_counter()
        try:
            found, said = content(sx.load(path)), ""
        except ValueError as error:
            found, said = whole, str(error)
        assert found == whole
        assert not said or (said.startswith(f"The file {path} cannot be read: it ") and "\n" not in said)
        accepted += not said
        assert time.perf_counter() - start < 5
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert accepted < 10  # a blank that became another blank
    assert peak < 50e6


def flipped(data, rng):
    i = rng.randrange(len(data))
    return data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1 :]


def forged_size(data, rng):
    """One number of the file, a size for instance, with other digits."""
    places = [i for i in range(len(data)) if data[i : i + 1].isdigit() and data[i - 1 : i] in (b" ", b"[")]
    i = rng.choice(places)
    return data[:i] + rng.choice([b"0", b"99999999999", b"-1", b"1e9", b"9" * 30]) + data[i + 1 :]


def test_killed_while_saving(tmp_path):
    script = Path(saving_interrupted.__file__)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 contents seen" in done.stdout
    assert sx.load(tmp_path).faithfulness.scheme in ("number 0", "number 1")


def test_arrays_that_jax_would_shorten_stay_with_numpy():
    records = saved.Records(ProductKernel)
    with jax.enable_x64(True):
        record = records.to_record(ProductKernel(*map(jnp.float64, (1, 2, 3, 4, 1 / 3))))
        assert isinstance(records.from_record(record).noise, jax.Array)
    found = records.from_record(record).noise
    assert not isinstance(found, jax.Array)
    assert found == 1 / 3


def test_files_of_format_2_with_the_first_names_of_its_fields(tmp_path):
    """Rows were called masks, and the method's name said whether it was exact."""
    for explanation, exact in ((made(), False), (dataclasses.replace(made(), method="exact"), True)):
        record = json.loads(content(explanation))
        record["faithfulness"]["masks"] = record["faithfulness"].pop("rows")
        del record["faithfulness"]["exact"], record["format"], record["checksum"], record["summary"]
        whole = {"format": 2, "checksum": saved.checksum(record), **record}
        (tmp_path / "explanation.json").write_text(json.dumps(whole), encoding="utf-8")
        assert sx.load(tmp_path).faithfulness == dataclasses.replace(explanation.faithfulness, exact=exact)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"r2": 9.0}, "R2 is above 1"), ({"error": -1.0}, "error is below 0"), ({"exact": True}, "has no surrogate")],
)
def test_faithfulness_that_cannot_be(wrong, said, tmp_path):
    explanation = with_surrogate()
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(explanation, faithfulness=dataclasses.replace(FAIR, **wrong)).save(tmp_path)
