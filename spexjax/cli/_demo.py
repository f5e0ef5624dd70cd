"""`spexjax demo`: SmolLM2's verdict on a film review."""

import argparse

from spexjax.cli import _explain
from spexjax.cli._arguments import add_explaining

HELP = "explain SmolLM2's verdict on a film review"

QUESTION = (
    "You will read a film review. Reviewers often praise and criticise in the same breath, so weigh everything that "
    "is said, watch for negations, and judge the review as a whole. Is the overall sentiment of this movie review "
    "Positive or Negative? Answer with one word.\nReview: {text}"
)
ANSWERS = (" Positive", " Negative")
ANSWER_PREFIX = "Sentiment:"
REVIEW = (
    "I expected to hate this film, and the first hour is not exactly gripping. But the acting is never less than "
    "superb, the ending is far from predictable, and by the time the credits rolled I could not have been happier "
    "that nobody had talked me out of it."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """How the review is explained.

    Args:
      command: gets the arguments.
    """
    add_explaining(command)
    command.set_defaults(
        text=REVIEW, file=None, batch=None, column=None, model="smollm2", dtype="float32", question=QUESTION,
        answers=ANSWERS, answer_prefix=ANSWER_PREFIX, value=None, features="word", removal="delete", replacement=None,
        no_template=False, template_kwargs=None, system=None,
    )  # fmt: skip


run = _explain.run
