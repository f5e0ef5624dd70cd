"""`spexjax heads`: which heads, MLPs or layers of a model its answers to prompts rest on."""

import argparse
import json
from pathlib import Path

from spexjax.cli._arguments import add_explaining, add_model
from spexjax.cli._files import read_file
from spexjax.cli._requests import check_how
from spexjax.cli._results import explain_one

_MANY = 1 << 16  # no model has so many layers

HELP = "explain which heads, MLPs or layers a model answers prompts with"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The prompts, which components are removed, and how this is explained.

    Args:
      command: gets the arguments.
    """
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("prompts", nargs="*", default=[], help="texts that end where the answer begins")
    source.add_argument(
        "--file",
        type=Path,
        help="""a JSON object a line, such as {"prompt": "Paris is in", "answers": [" France", " Spain"]}; what a line
        leaves out is as the command says""",
    )
    command.add_argument(
        "--answers", nargs="+", help="the right answer, then those it is compared with: the same for all prompts"
    )
    add_model(command)
    command.add_argument("--units", default="head", choices=["head", "mlp", "layer", "head+mlp", "expert"])
    command.add_argument("--layers", type=_layers, help="such as 4-9 or 0,3,5, counted from 0 (default: all)")
    command.add_argument("--fill", default="zero", help="what replaces a removed output: {names}")
    command.add_argument("--rescale", action="store_true", help="scale the kept heads of a layer up")
    command.add_argument("--value", choices=["logit-difference", "log-probability", "accuracy"])
    add_explaining(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Explains the components.

    Args:
      args: of the command.
      start: when it was called.
    """
    prompts, answers = _asked(args)
    import spexjax as sx

    options = {name: getattr(args, name) for name in ("units", "fill", "rescale", "value")}
    sx.ablations.precheck_components(prompts, answers, **options)
    check_how(args)
    return explain_one(
        args, start, lambda model: sx.ablations.components(model, prompts, answers, layers=args.layers, **options)
    )


def _asked(args: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    """The prompts and the answers to each."""
    given: list[tuple[str, list[str] | None]] = [(prompt, None) for prompt in args.prompts]
    if args.file is not None:
        given = [_read(number, line) for number, line in enumerate(read_file(args.file).split("\n"), 1) if line.strip()]
        if not given:
            raise ValueError(f"There is no prompt in {args.file}.")
    answers = [args.answers if own is None else own for _, own in given]
    if None in answers:
        raise ValueError(f"Prompt {answers.index(None) + 1} has no answers; give --answers RIGHT WRONG.")
    if not all(prompt.strip() for prompt, _ in given):
        raise ValueError("A prompt is empty; give at least one word.")
    return [prompt for prompt, _ in given], answers


def _read(number: int, line: str) -> tuple[str, list[str] | None]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Line {number} is not JSON ({error}).") from error
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str) or found.keys() - {"prompt", "answers"}:
        raise ValueError(f'Line {number} must be an object with "prompt", a string, and perhaps "answers".')
    answers = found.get("answers")
    answers = [answers] if isinstance(answers, str) else answers
    if answers is not None and not (isinstance(answers, list) and all(isinstance(each, str) for each in answers)):
        raise ValueError(f"Line {number}: answers must be a string or a list of strings.")
    return found["prompt"], answers


def _layers(string: str) -> list[int]:
    found: set[int] = set()
    for part in string.split(","):
        first, _, last = part.partition("-")
        if not (first.strip().isdecimal() and (last or first).strip().isdecimal()):
            raise argparse.ArgumentTypeError(f"layers are given as 4-9 or 0,3,5, not as {string[:40]!r}")
        found.update(range(int(first), min(int(last or first), _MANY) + 1))
    if not found:
        raise argparse.ArgumentTypeError(f"{string[:40]!r} names no layer")
    return sorted(found)
