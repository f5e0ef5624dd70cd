import io

from rich.console import Console

from spexjax.report import interaction_table


def rendered(table):
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_rows(review):
    lines = rendered(interaction_table(review, top=3)).splitlines()
    assert "FSII up to order 2 · R2 = 0.800 (held out)" in lines[0]
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    values = review.interactions("FSII", 2).top(3).values
    assert len(rows) == 3
    assert rows[0][:5] == ["1", "not", "×", "good", "2"]
    assert rows[0][5] == f"+{values[0]:.2f}"


def test_equal_names_can_be_told_apart(review):
    assert "the₁ × the₂" in rendered(interaction_table(review))


def test_bars_start_at_the_middle(explain):
    lines = rendered(interaction_table(explain({(0,): -1.0, (1,): 0.5}, ["a", "b"]), index="Fourier")).splitlines()
    left, right = (next(line for line in lines if f" {name} " in line) for name in "ab")
    assert "━━━━━━━━│" in left
    assert "│━━━━" in right
    assert "│━━━━━" not in right
    assert left.index("│") == right.index("│")


def test_names_are_not_markup(explain):
    names = ["[red]x[/red]", "[/]", "\x1b[31my", "[link=a]b"]
    text = rendered(interaction_table(explain({(0, 1): 1.0, (2, 3): 0.5}, names)))
    assert "[red]x[/red] × [/]" in text
    assert r"\x1b[31my × [link=a]b" in text
    assert "\x1b" not in text


def test_a_warning_where_r2_is_low(explain):
    assert "Read with care" in rendered(interaction_table(explain({(0,): 1.0}, ["a"], r2=0.3)))
    assert "Not learnable" in rendered(interaction_table(explain({(0,): 1.0}, ["a"], r2=-0.2)))
    assert "care" not in rendered(interaction_table(explain({(0,): 1.0}, ["a"], r2=0.8)))


def test_a_constant_function(explain):
    assert "FSII" in rendered(interaction_table(explain({(): 1.0}, ["a", "b"])))
