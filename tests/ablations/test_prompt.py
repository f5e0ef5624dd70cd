"""Templates: what stands around the text."""

import pytest

from spexjax.ablations.prompt import around

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe nice<|im_end|>\n"
    "{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "<|begin|>{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}[end]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>' + messages[0]['content'] + '<</SYS>>' %}"
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
    "{% for m in messages %}<s>[INST] {{ system }}{{ m['content'] }} [/INST]{% endfor %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<user>{{ m['content'] }}</user>{% endfor %}"
)


@pytest.fixture
def tokenizer(tiny):
    def make(template, bos=None):
        from copy import deepcopy

        made = deepcopy(tiny.tokenizer)
        made.chat_template, made.bos_token = template, bos
        return made

    return make


def test_chatml_without_its_default_system_turn(tokenizer):
    chat = tokenizer(CHATML, "<|im_start|>")
    assert around(chat, "Good?", "It is", None) == (
        "<|im_start|>user\nGood?\n",
        "<|im_end|>\n<|im_start|>assistant\nIt is",
    )
    before, _ = around(chat, "Good?", "", "Be brief")
    assert before == "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nGood?\n"


def test_other_templates(tokenizer):
    assert around(tokenizer(LLAMA3, "<|begin|>"), "Is {text} good?", "", None) == (
        "<|begin|>[user]Is ",
        " good?[end][assistant]",
    )
    assert around(tokenizer(LLAMA2, "<s>"), None, "", None) == ("<s>[INST] ", " [/INST]")
    assert around(tokenizer(LLAMA2, "<s>"), None, "", "Hi")[0] == "<s>[INST] <<SYS>>Hi<</SYS>>"
    assert around(tokenizer(NO_SYSTEM), "Q", "A", None) == ("<user>Q\n", "</user>A")


def test_base_models_have_plain_lines(tokenizer):
    assert around(tokenizer(None), "Good?", "Answer:", None) == ("Good?\n", "\nAnswer:")
    assert around(tokenizer(None), None, "", None) == ("", "")
    with pytest.raises(ValueError, match="no chat template"):
        around(tokenizer(None), None, "", "Be brief")


def test_text_has_one_place(tokenizer):
    with pytest.raises(ValueError, match="only once"):
        around(tokenizer(None), "{text} or {text}?", "", None)
    for question, prefix, system in (("a\ue000b", "", None), (None, "\ue000", None), (None, "", "\ue000")):
        with pytest.raises(ValueError, match="Take the character U\\+E000 out"):
            around(tokenizer(CHATML), question, prefix, system)
