"""What users are told who give the wrong kind of thing: in a process of its own, as the tests check all types."""

import subprocess
import sys

import pytest

CASES = {
    "explain(ablation=len)": "len is not an ablation; make one of it with sx.ablations.function",
    "explain(key=0)": "The key is one from jax.random.key(0), say; got 0",
    "explain(budget=100.0)": "budget is a whole number of ablations; got 100.0",
    "explain(budget='many')": "budget is a whole number of ablations; got 'many'",
    "explain(target_faithfulness='high', budget=None, max_budget=99)": "an R2 below 1, say 0.9; got 'high'",
    "explain(method=3)": "a proxy that is called with masks, values and a key; 3 is not",
    "explain(method=None)": "a proxy that is called with masks, values and a key; None is not",
    "explain(prior=[1.0])": "`prior` takes an explanation or a Spectrum; got list",
    "sx.report.html([1])": "There is nothing to show: give an explanation, or a list of explanations",
    "explain(like=7)": "`like` takes explanations, from explain or fit",
    "decode(np.zeros((2, 9)))": "One signal is [m]; got shape (2, 9). For many, use decode_many or jax.vmap",
    "explain(key=jax.numpy.zeros(3, 'uint32'))": "The key is one from jax.random.key(0), say; got",
    "explain(index=5)": "5 is not an index; the known ones are",
    "sx.ablations.host_function(len, 2.0)": "The number of features is a whole number, 1 or more; got 2.0",
    "sx.ablations.host_function(len, '3')": "The number of features is a whole number, 1 or more; got '3'",
    "sx.Store(5)": "A store is a folder or a URL",
    "sx.load_model(None)": "source is 'smollm2', a Hugging Face id, a folder or a .gguf file; got None",
    "sx.ablations.precheck_text(None)": "The text must be a string, not NoneType",
    "sx.ablations.precheck_text('a b', features=['a'])": "Features are a kind of unit, or spans (start, end); got",
    "sx.fit(np.arange(8)[:, None] >> np.arange(3) & 1, np.arange(8), key=jax.random.key(0)).standard_errors('SV')": (
        "standard_errors takes a table, such as explanation.interactions('SV'); got 'SV'"
    ),
    "sx.explain_each(several, key=jax.random.key(0), budget=99, keep='auto')": "give explain_each a number",
    "explain(store='folder')": "`store` takes an sx.Store; make one of the folder: store=sx.Store('folder')",
    "sx.ablations.text('gpt2', 'not bad', answers=('a', 'b'))": "not str: model=sx.load_model('gpt2')",
    "sx.ablations.components('gpt2', ['not'], ('a', 'b'))": "not str: model=sx.load_model('gpt2')",
    "sx.models.logits(None, [1])": "`model` is what sx.load_model gives, not NoneType: model=sx.load_model('smollm2')",
    "explain(budget=np.int64(50))": "50 ablations",  # the last, as it spends them
}
SCRIPT = """
import jax, numpy as np, spexjax as sx
spent = []
game = sx.ablations.host_function(lambda masks: spent.append(1) or masks.sum(1), 12)
several = sx.ablations.ridge((np.eye(6), np.arange(6) % 2), (np.eye(6)[:3], np.arange(3) % 2), l2=1.0)
design = sx.designs.subsampled(jax.random.key(0), 12, 3)

def explain(**given):
    usual = dict(ablation=game, key=jax.random.key(0), budget=50, method="lasso")
    return f"{{len(sx.explain(**usual | given).values)}} ablations"

def decode(values):
    sx.decoder.decode(design, values)

for case in {cases}:
    try:
        print(eval(case))
    except ValueError as error:
        print(error, "" if not spent else "AFTER ABLATIONS")
"""


@pytest.fixture(scope="module")
def answers():
    script = SCRIPT.format(cases=[*CASES])
    return subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.splitlines()


@pytest.mark.parametrize(("number", "message"), list(enumerate(CASES.values())), ids=CASES)
def test_wrong_types_are_named_before_anything_is_spent(answers, number, message):
    assert message in answers[number]
    assert "AFTER" not in answers[number]
