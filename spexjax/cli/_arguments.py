"""The arguments that commands share."""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from spexjax.cli._output import complain

FEATURES = (
    *("word", "sentence", "line", "clause", "paragraph", "turn", "document", "demonstration", "tool-call"),
    *("noun-phrase", "token"),
)
OUT = "folder for {}, made if it is not there; files of that name are replaced (default: out, in this folder)"


class Command(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage.

    Its help lists methods, indices, removals and fills, for which JAX is loaded; nothing else waits for that.
    """

    def error(self, message: str) -> NoReturn:
        complain(f"{message}; see {self.prog} --help")
        sys.exit(2)

    def in_its_words(self, message: str) -> str:
        """A message about arguments as Python spells them, such as `max_cost=1`, in the names of the options.

        Args:
          message: of the library.
        """
        for action in self._actions:
            for flag in action.option_strings[-1:]:
                message = re.sub(rf"(?<![\w.(/-]){action.dest}=(?:'([^']*)'|(\w[\w.]*))", rf"{flag} \1\2", message)
                message = re.sub(rf"(?<![\w.(/-]){action.dest}=", flag, message)
                if "_" in action.dest:  # in prose; names of one word are words, too
                    message = re.sub(rf"(?<![\w./-]){action.dest}\b", flag, message)
        return message

    def format_help(self) -> str:
        if any(action.help and "{names}" in action.help for action in self._actions):
            names = known_names()
            for action in self._actions:
                action.help = (action.help or "").replace("{names}", ", ".join(names.get(action.dest, ())))
        return super().format_help()


def known_names() -> Mapping[str, Sequence[str]]:
    """What may be given for an option, by its `dest`; what a script registered included."""
    from spexjax import ablations, indices, methods

    return {
        "method": methods.names(),
        "index": [*indices.INDICES],
        "removal": ablations.removal_names(),
        "fill": ablations.fill_names(),
    }


def add_model(command: argparse.ArgumentParser) -> None:
    """Which model answers.

    Args:
      command: gets the arguments.
    """
    command.add_argument(
        "--model", default="smollm2", help="smollm2 (the default), a Hugging Face id, a folder or a .gguf file"
    )
    command.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16"], help="of the weights (default: float32)"
    )


def add_question(command: argparse.ArgumentParser) -> None:
    """What a model is asked about a text, and what is removed from it.

    Args:
      command: gets the arguments.
    """
    add_model(command)
    command.add_argument("--question", help="asked before the text, or around {text}; never ablated")
    command.add_argument(
        "--answers",
        nargs="+",
        help="""two answers (logit difference), one (log-probability), or more (the log-odds of each within the set),
        spelled as the model begins them: Yes No where its turn begins, " Yes" " No" after an --answer-prefix or raw
        text; the model's own by default""",
    )
    command.add_argument("--answer-prefix", default="", help="what the model's turn begins with")
    command.add_argument("--system", help="the system prompt; without it there is none, not even the template's own")
    command.add_argument(
        "--no-template", action="store_true", help="raw text: without the model's chat template, if it has one"
    )
    command.add_argument(
        "--template-kwargs",
        type=_json_object,
        metavar="JSON",
        help="""variables for the chat template, such as '{"enable_thinking": false}'""",
    )
    command.add_argument("--value", help="logit-difference, log-probability, log-odds or token-log-probability")
    command.add_argument(
        "--features",
        default="word",
        choices=FEATURES,
        help="what is removed or kept (default: word)",
    )
    command.add_argument("--removal", default="delete", help="{names} (default: delete)")
    command.add_argument("--replacement", help="what stands for a removed unit with --removal replace (default: _)")


def add_explaining(command: argparse.ArgumentParser) -> None:
    """What an explanation may cost, how it is made, and where it goes.

    Args:
      command: gets the arguments.
    """
    command.add_argument("--budget", type=whole, default=512, help="ablations to spend (default: 512)")
    command.add_argument(
        "--target",
        type=number,
        help="stop once faithfulness is this; the budget is then the most to spend",
    )
    command.add_argument("--method", default="auto", help="{names} (default: auto)")
    add_table(
        command,
        "; it also decides which masks are drawn, as index= does in sx.explain: those of the sizes that it rests on",
    )
    command.add_argument(
        "--keep",
        type=_keep,
        metavar="P",
        help="""draw masks that keep each feature with this probability, such as 0.9, where the model is noise without
        half of its features; auto finds it from the first ablations""",
    )
    command.add_argument("--seed", type=_seed, default=0, help="a 64-bit whole number (default: 0)")
    command.add_argument(
        "--out", type=Path, default=Path("out"), help=OUT.format("explanation.html and explanation.json")
    )
    command.add_argument(
        "--store",
        help="folder or bucket where values are kept, and found again by the next run (default: values in --out)",
    )
    add_output(command)


def add_table(command: argparse.ArgumentParser, index: str = "") -> None:
    """Which interactions are shown.

    Args:
      command: gets the arguments.
      index: what else to say of --index.
    """
    command.add_argument("--index", help="{names} (default: FSII, or WBII where --keep draws the masks)" + index)
    command.add_argument("--order", type=whole, default=2, help="largest interaction (default: 2)")
    command.add_argument("--top", type=_count, default=10, help="interactions in the table (default: 10)")


def add_output(command: argparse.ArgumentParser) -> None:
    """How much a command says, and in which form.

    Args:
      command: gets the arguments.
    """
    command.add_argument("--json", action="store_true", help="the result as one JSON object on standard output")
    command.add_argument("--quiet", action="store_true", help="do not say what is being done")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def whole(string: str) -> int:
    """A whole number, as an argument's `type`.

    Args:
      string: what was given.

    Raises:
      argparse.ArgumentTypeError: if it is none.
    """
    try:
        return int(string)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number, which {string[:40]!r} is not") from None


def number(string: str) -> float:
    """A number, as an argument's `type`.

    Args:
      string: what was given.

    Raises:
      argparse.ArgumentTypeError: if it is none.
    """
    try:
        return float(string)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a number, which {string[:40]!r} is not") from None


def _count(string: str) -> int:
    count = whole(string)
    if count < 0:
        raise argparse.ArgumentTypeError(f"how many to list is 0 or more, which {count} is not")
    return count


def _keep(string: str) -> float | str:
    try:
        return string if string == "auto" else float(string)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a probability such as 0.9, or auto, which {string[:40]} is not") from None


def _seed(string: str) -> int:
    seed = whole(string)
    if not -(1 << 63) <= seed < 1 << 63:
        raise argparse.ArgumentTypeError(f"a seed is a whole number of 64 bits, which {string[:40]} is not")
    return seed


def _json_object(string: str) -> dict[str, Any]:
    try:
        value = json.loads(string)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {string}")
    return value
