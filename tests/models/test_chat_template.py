"""Chat templates that would run for ever, fill the memory or leave the sandbox are stopped within seconds."""

import resource
import time
from types import SimpleNamespace

import pytest

from spexjax.models import _chat_template as chat_template
from spexjax.models._chat_template import Conversation, render

BIG = "messages | length * 99999999"  # not folded when the template is compiled


def rendered(template, **variables):
    tokenizer = SimpleNamespace(chat_template=template, special_tokens_map={"bos_token": "<s>"})
    (result,) = render(
        tokenizer, [Conversation([{"role": "user", "content": "hi"}])], variables=variables, date="2024-07-26"
    )
    return result


def loops(depth):
    return "{% for i in range(99999) %}" * depth + "{% set x = i * i %}" + "{% endfor %}" * depth


@pytest.mark.parametrize(
    "template",
    [
        loops(3),
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% set n = " + BIG + " %}{{ (7 ** n) % 11 }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set n = " + BIG + " %}{{ 'x' * (n * 99) }}",
        "{{ 'x' * 10 ** 12 }}",
        "{{ ('%' ~ (" + BIG + " * 99) ~ 'd') % 1 }}",
        "{{ '{:>9999999999}'.format('x') }}",
        "{{ 'x'.ljust(" + BIG + " * 99) }}",
        "{{ 'x' | center(" + BIG + " * 99) }}",
    ],
)
def test_what_takes_too_much_is_one_sentence_within_seconds(template):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with pytest.raises(ValueError, match="takes more than 2 s or 512 MB to render") as error:
        rendered(template)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4, wall
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "it writes more than 1,000,"),
        ("{{ range(10 ** 9) | list }}", "OverflowError"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "RecursionError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ cycler.__init__.__globals__ }}", "SecurityError"),
        ("{{ namespace.__globals__.x }}", "SecurityError"),
        ("{{ namespace(__class__=1) }}", "SecurityError"),
        ("{% set ns = namespace() %}{% set ns.__class__ = 1 %}", "SecurityError"),
        ("{% import 'os' as os %}", "TypeError"),
        ("\x00{{", "TemplateSyntaxError"),
    ],
)
def test_what_is_against_the_rules_is_named(template, error):
    assert error in rendered(template).error


def test_memory_is_watched_where_the_system_sets_no_limit(monkeypatch, tmp_path):
    script = tmp_path / "render_template.py"
    source = chat_template.Path(chat_template.__file__).with_name("_render_template.py").read_text()
    source = source.replace("SECONDS, MEGABYTES = 2, 512", "SECONDS, MEGABYTES = 60, 512")
    script.write_text(source.replace("resource.RLIMIT_AS, (limit, limit)", "-1, (0, 0)"))
    monkeypatch.setattr(chat_template, "_SCRIPT", script)
    grows = "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = ns.l + ['x' * 200000 ~ i] %}"
    with pytest.raises(ValueError, match="takes more than 2 s or 512 MB"):
        rendered(grows + "{% endfor %}")
    assert rendered("{{ bos_token }} ").text == "<s> "


def test_a_process_that_cannot_start_or_fails_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(chat_template.sys, "executable", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="needs a process of its own, which fails: "):
        rendered("a")
    monkeypatch.undo()
    monkeypatch.setattr(chat_template, "_SCRIPT", tmp_path / "none.py")
    with pytest.raises(ValueError, match=r"cannot be rendered \(.*No such file"):
        rendered("b")


def test_equal_requests_are_rendered_once(monkeypatch):
    rendered("once {{ bos_token }}")
    monkeypatch.setattr(chat_template.subprocess, "run", None)
    assert rendered("once {{ bos_token }}").text == "once <s>"
