"""Frames: what stands around the text."""

import time
from copy import deepcopy

import pytest

from spexjax.ablations._prompts._frame import Frame, frame

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
USER = "{% for m in messages %}{% if m['role'] == 'user' %}<u>TURN</u>{% endif %}{% endfor %}"


@pytest.fixture
def tokenizer(tiny):
    def make(template, bos=None):
        made = deepcopy(tiny.tokenizer)
        made.chat_template, made.bos_token = template, bos
        return made

    return make


def sides(*args, **options):
    found = frame(*args, **options)
    return found.opening + found.before, found.after + found.closing


def test_chatml_without_its_default_system_turn(tokenizer):
    chat = tokenizer(CHATML, "<|im_start|>")
    assert sides(chat, "a film", "Good?", answer_prefix="It is") == (
        "<|im_start|>user\nGood?\n",
        "<|im_end|>\n<|im_start|>assistant\nIt is",
    )
    before, _ = sides(chat, "a film", "Good?", system="Be brief")
    assert before == "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nGood?\n"


def test_other_templates(tokenizer):
    assert sides(tokenizer(LLAMA3, "<|begin|>"), "it", "Is {text} good?") == (
        "<|begin|>[user]Is ",
        " good?[end][assistant]",
    )
    assert sides(tokenizer(LLAMA2, "<s>"), "it") == ("<s>[INST] ", " [/INST]")
    assert sides(tokenizer(LLAMA2, "<s>"), "it", system="Hi")[0] == "<s>[INST] <<SYS>>Hi<</SYS>>"
    assert sides(tokenizer(NO_SYSTEM), "it", "Q", answer_prefix="A") == ("<user>Q\n", "</user>A")


def test_base_models_and_raw_text_have_plain_lines(tokenizer):
    assert sides(tokenizer(None), "it", "Good?", answer_prefix="Answer:") == ("Good?\n", "\nAnswer:")
    assert sides(tokenizer(None), "it") == ("", "")
    assert sides(tokenizer(CHATML), "it", "Good?", answer_prefix="Answer:", template=None) == ("Good?\n", "\nAnswer:")
    for chat, template in ((tokenizer(None), "chat"), (tokenizer(CHATML), None)):
        with pytest.raises(ValueError, match="no chat template, so it has no system turn"):
            frame(chat, "it", system="Be brief", template=template)
        with pytest.raises(ValueError, match="nothing to give thinking to"):
            frame(chat, "it", chat_template_kwargs={"thinking": False}, template=template)
    with pytest.raises(ValueError, match="must be 'chat'"):
        frame(tokenizer(None), "it", template="chatml")


def test_text_has_one_place(tokenizer):
    with pytest.raises(ValueError, match="only once"):
        frame(tokenizer(None), "it", "{text} or {text}?")


@pytest.mark.parametrize(
    ("turn", "strips"),
    [
        ("{{ m.content }}", (False, False)),
        ("{{ m.content | trim }}", (True, True)),
        ("{{ m['content'].strip() }}", (True, True)),
        ("{{ m.content.lstrip() }}", (True, False)),
        ("{{ ('a' ~ m.content) | trim }}", (False, True)),
        ("{% for part in m.content %}{{ part['text'] | trim }}{% endfor %}", (True, True)),
        ("{% if m.content is string %}{{ m.content }}{% else %}parts{% endif %}", (False, False)),
        ("{{ raise_exception('parts only') if m.content is string else m.content[0].text }}", (False, False)),
    ],
)
def test_trimming_is_found_and_parts_are_tried(tokenizer, turn, strips):
    found = frame(tokenizer(USER.replace("TURN", turn)), " so it is\n")
    assert found.strips == strips
    assert found.prompt(" x ").count(" ") == 2 - sum(strips)


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ("", "drops the user's turn"),
        ("{{ m.content }}{{ m.content }}", "repeats the user's turn"),
        ("{{ m.content | upper }}", "changes the user's turn by more than trimming"),
        ("{{ m.content | e }}", "changes the user's turn by more than trimming"),
        ("{{ m.content[:5] }}", "changes the user's turn by more than trimming"),
        ("{{ raise_exception('not today') }}", r"fails \(TemplateError: not today\)"),
        ("{{ m.content + 1 }}", r"fails \(TypeError"),
        ("{{ m.nothing.at.all }}", r"fails \(UndefinedError"),
        ("{{ 1 / 0 }}", r"fails \(ZeroDivisionError"),
        ("{% if %}", r"fails \(TemplateSyntaxError"),
        ("{{ m.content.__class__.__mro__ }}", r"fails \(SecurityError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", r"fails \(RecursionError"),
        ("{% include 'x' %}", r"fails \(\w+"),
    ],
)
def test_a_template_that_fails_or_changes_the_text_is_named(tokenizer, turn, message):
    with pytest.raises(ValueError, match=message) as error:
        frame(tokenizer(USER.replace("TURN", turn)), "a <film>")
    assert "template=None (--no-template)" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_blank_turn_may_be_written_otherwise(tokenizer):
    found = frame(
        tokenizer(USER.replace("TURN", "{{ (m.content | trim) or 'nothing' }}")), " a film", answer_prefix="A"
    )
    assert [found.prompt(text) for text in ("a", " ", "")] == ["<u>a</u>A", "<u>nothing</u>A", "<u>nothing</u>A"]


def test_a_template_without_a_system_turn_says_so(tokenizer):
    with pytest.raises(ValueError, match=r"no system turn \(TemplateError: no system role\)"):
        frame(tokenizer(NO_SYSTEM), "it", system="Be brief")
    with pytest.raises(ValueError, match="has no system turn; put it"):
        frame(tokenizer(USER.replace("TURN", "{{ m.content }}")), "it", system="Be brief")


def test_variables_and_the_date(tokenizer):
    chat = tokenizer(USER.replace("TURN", "{{ m.content }}") + "{{ '<think>' if thinking else '<go>' }}")
    assert sides(chat, "it")[1] == "</u><go>"
    assert sides(chat, "it", chat_template_kwargs={"thinking": True})[1] == "</u><think>"
    with pytest.raises(ValueError, match="no variable 'thinkin'"):
        frame(chat, "it", chat_template_kwargs={"thinkin": True})
    with pytest.raises(ValueError, match="must be JSON values"):
        frame(chat, "it", chat_template_kwargs={"thinking": object()})
    with pytest.raises(ValueError, match="'messages' is set by spexjax"):
        frame(chat, "it", chat_template_kwargs={"messages": []})
    dated = tokenizer("{{ strftime_now('%d %b %Y') }}" + USER.replace("TURN", "{{ m.content }}"))
    assert sides(dated, "it")[0] == "26 Jul 2024<u>"
    assert sides(dated, "it", date="2025-01-02")[0] == "02 Jan 2025<u>"
    with pytest.raises(ValueError, match="date must be"):
        frame(dated, "it", date="yesterday")


def test_several_templates(tokenizer):
    chat = tokenizer({"default": USER.replace("TURN", "{{ m.content }}"), "tool_use": ""})
    assert sides(chat, "it") == ("<u>", "</u>")
    chat.chat_template = {"tool_use": "", "rag": ""}
    with pytest.raises(ValueError, match="named 'tool_use', 'rag' and no default"):
        frame(chat, "it")


@pytest.mark.parametrize("strips", [(False, False), (True, True), (True, False), (False, True)])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("Q\n", ""), (" ", "\n"), ("", " A")])
@pytest.mark.parametrize("text", ["a b", "  a b\n", "a", "\n"])
def test_the_place_of_the_text(text, before, after, strips):
    found = Frame("[user]", before, after, "[end]", strips)
    prompt, (shift, first, last) = found.prompt(text), found.place(text)
    assert prompt[shift + first : shift + last] == text[first:last]
    assert not (text[:first] + text[last:]).strip()
    turn = before + text + after
    turn = turn.lstrip() if strips[0] else turn
    assert prompt == f"[user]{turn.rstrip() if strips[1] else turn}[end]"


def test_a_template_that_takes_too_much_is_asked_once(tokenizer):
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    start = time.perf_counter()
    with pytest.raises(ValueError, match="takes more than 2 s or 512 MB"):
        frame(tokenizer(endless), "it")
    assert time.perf_counter() - start < 30  # 2 s of computing, whatever else the machine does
