"""Templates of real models: the ablated prompt is what `apply_chat_template` writes for the ablated text."""

import dataclasses
from copy import deepcopy

import numpy as np
import pytest
from chat_templates import TEMPLATES

from spexjax import ablations
from spexjax.ablations._prompts._frame import frame
from spexjax.ablations._text._units import split

TEXT = "  It is so.\n\nIs it so? \n"
QUESTIONS = (None, "Is it {text}", "True?", "Read:\n{text}\n\nSo?\n")


@pytest.fixture(params=TEMPLATES)
def chat(request, tiny):
    template, bos, default = TEMPLATES[request.param]
    tokenizer = deepcopy(tiny.tokenizer)
    tokenizer.chat_template, tokenizer.bos_token, tokenizer.eos_token = template, bos, "</s>"
    return tokenizer, bos or "", default, request.param


def written(tokenizer, content, system, parts, **variables):
    """What transformers writes."""
    turns = [("user", content)] if system is None else [("system", system), ("user", content)]
    messages = [{"role": r, "content": [{"type": "text", "text": c}] if parts else c} for r, c in turns]
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **variables)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("system", [None, "Be brief. "])
def test_the_ablated_prompt_is_what_transformers_writes(chat, question, system):
    tokenizer, bos, default, name = chat
    if system and name == "mistral 0.1":
        with pytest.raises(ValueError, match="no system turn"):
            frame(tokenizer, TEXT, question, system=system)
        return
    variables = {"date_string": "26 Jul 2024"} if name == "llama 3.1" else {}
    found = frame(tokenizer, TEXT, question, system=system, answer_prefix="It is", chat_template_kwargs=variables)
    units = split(TEXT, "word")
    for kept in np.random.default_rng(0).random((9, 6)) < [[0.0], [1.0]] + [[0.5]] * 7:
        words = units.ablate(kept.tolist())
        turn = (question or "{text}") if "{text}" in (question or "{text}") else question + "\n{text}"
        expected = written(tokenizer, turn.replace("{text}", words), system, name == "parts", **variables)
        if system is None:  # a template's default system turn is left out, but not the token that all begins with
            begun = bos if expected.startswith(bos + default) else ""
            expected = begun + expected.removeprefix(begun).removeprefix(default)
        assert found.prompt(words) == expected + "It is"


def test_token_features_and_hiding_know_what_was_trimmed(chat, tiny):
    """Every token belongs to the unit whose characters it holds; markup belongs to none."""
    tokenizer, *_ = chat
    model = deepcopy(tiny)
    object.__setattr__(model, "tokenizer", tokenizer)
    for options in ({"features": "token"}, {"removal": "hide"}, {"removal": "hide", "features": [(0, 4), (20, 24)]}):
        ablation = ablations.text(model, TEXT, answers="x", **options)
        prompt = ablation.frame.prompt(TEXT)
        _, places = model.encode_with_places(prompt)
        owned = dict.fromkeys([-1, *range(ablation.num_features)], "")
        for (a, b), owner in zip(places, ablation.inputs.owners, strict=True):
            owned[owner] += prompt[a:b]
        for i, (a, b) in enumerate(ablation.spans):
            assert TEXT[a:b].strip() in owned[i]
        if "features" not in options:
            assert ablation.frame.closing in owned[-1]


def test_thinking_is_switched_off(tiny):
    tokenizer = deepcopy(tiny.tokenizer)
    tokenizer.chat_template = TEMPLATES["qwen 3"][0]
    found = frame(tokenizer, "it", chat_template_kwargs={"enable_thinking": False})
    assert found.closing.endswith("<think>\n\n</think>\n\n")
    assert frame(tokenizer, "it").closing.endswith("assistant\n")


def test_fingerprints_follow_what_the_model_is_given(tiny):
    """Not the day, unless it is given."""
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{% endfor %}[{{ strftime_now('%d %b') }}]"
    template += "{{ 'think' if think }}"
    tokenizer = deepcopy(tiny.tokenizer)
    tokenizer.chat_template = template
    model = dataclasses.replace(tiny, tokenizer=tokenizer)

    def fingerprint(text="it is", **options):
        return ablations.text(model, text, **{"question": "Q", "answers": ("x", "y"), **options}).fingerprint

    assert fingerprint() == fingerprint(date="2024-07-26") == fingerprint(chat_template_kwargs={"think": False})
    variants = [
        fingerprint(date="2024-07-27"),
        fingerprint(chat_template_kwargs={"think": True}),
        fingerprint(template=None),
        fingerprint(text="it is "),
    ]
    assert len({fingerprint(), *variants}) == 5
