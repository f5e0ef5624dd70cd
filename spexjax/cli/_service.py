"""`spexjax explain --service`: a model behind an OpenAI-compatible service."""

import argparse
from typing import Any

from spexjax.cli._arguments import number, whole
from spexjax.cli._output import complain, say
from spexjax.cli._requests import ASKED, check_how, how_to_explain
from spexjax.cli._results import explain_made

_SETTINGS = ("endpoint", "samples", "at_once", "rate", "timeout", "tries", "price", "max_cost", "key_env")


def add_service(command: argparse.ArgumentParser) -> None:
    """Which service answers, and what it may take.

    Args:
      command: gets the arguments.
    """
    group = command.add_argument_group("a model behind a service")
    group.add_argument(
        "--service",
        metavar="URL",
        help="an OpenAI-compatible service, such as https://api.example.com/v1; --model is the model's name there",
    )
    group.add_argument("--endpoint", choices=["chat", "completions"], help="default: as the URL ends, else chat")
    group.add_argument(
        "--samples", type=whole, help="the share of each answer among so many, where there are no log-probabilities"
    )
    group.add_argument("--at-once", type=whole, default=32, help="asks under way (default: 32)")
    group.add_argument("--rate", type=number, help="the most asks per second")
    group.add_argument("--timeout", type=number, default=60.0, help="seconds for one ask (default: 60)")
    group.add_argument("--tries", type=whole, default=6, help="the most asks of one prompt (default: 6)")
    group.add_argument(
        "--price", type=number, nargs=2, metavar=("PROMPT", "ANSWER"), help="of a million tokens of each"
    )
    group.add_argument("--max-cost", type=number, help="by --price; nothing is asked if the estimate exceeds it")
    group.add_argument(
        "--key-env", default="OPENAI_API_KEY", help="the environment variable of the key (default: OPENAI_API_KEY)"
    )


def explain_service(args: argparse.Namespace, start: float, text: str) -> int:
    """Explains what a service's model answers to a text; says first what that may cost, and last what it took.

    Args:
      args: of the command.
      start: when it was called.
      text: what is explained.

    Raises:
      ValueError: if the arguments do not fit each other, or it would cost too much.
    """
    if args.model == "smollm2":
        raise ValueError("--service needs --model, the model's name there.")
    if args.no_template or args.template_kwargs:
        raise ValueError("A service has its own template: leave --no-template and --template-kwargs out.")
    import spexjax as sx

    asked: dict[str, Any] = {name: getattr(args, name) for name in (*ASKED, *_SETTINGS)}
    ablation = sx.ablations.service(args.service, args.model, text, **asked)
    check_how(args, ablation.num_features)
    estimated = ablation.estimate(args.budget)
    ablation.check_cost(estimated)
    if not args.quiet:
        complain(f"{estimated} at most")
    code = explain_made(args, start, ablation, how_to_explain(args))
    say(args, f"asks  {ablation.tally}\n")
    return code
