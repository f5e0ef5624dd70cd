"""From arguments to options of spexjax, checked as far as that needs no model."""

import argparse
from collections.abc import Mapping
from typing import Any

from spexjax.cli._files import check_folder

ASKED = ("question", "answers", "features", "removal", "replacement", "value", "answer_prefix", "system")


def what_is_asked(args: argparse.Namespace) -> dict[str, Any]:
    """The options of `ablations.text`.

    Args:
      args: of the command.
    """
    return {
        **{name: getattr(args, name) for name in ASKED},
        "template": None if args.no_template else "chat",
        "chat_template_kwargs": args.template_kwargs,
    }


def how_to_explain(args: argparse.Namespace) -> dict[str, Any]:
    """The options of `explain` and `explain_many`, but for the ablation; a store that cannot be used is named here.

    Args:
      args: of the command.
    """
    import jax

    import spexjax as sx

    return {
        **_budget(args),
        "target_faithfulness": args.target,
        "index": args.index or (None if args.keep else "FSII"),
        "keep": args.keep,
        "key": jax.random.key(args.seed),
        "method": args.method,
        "store": sx.Store(args.store or args.out / "values"),
        "progress": False if args.quiet else None,
    }


def check_how(args: argparse.Namespace, num_features: int | None = None) -> None:
    """Checks what `how_to_explain` will ask for.

    Args:
      args: of the command.
      num_features: n; None if only the model can tell.

    Raises:
      ValueError: if the index, order, method or target is unknown, --keep at odds with the method, the budget too
        small, or nothing can be written.
    """
    import spexjax as sx
    from spexjax._budget import rounds

    sx.indices.check_index(args.index or "FSII", args.order)
    sx.methods.check_keep(sx.methods.get(args.method), args.keep)
    budget = {"budget": None, "max_budget": None, **_budget(args)}
    rounds(num_features or 2, budget["budget"], args.target, budget["max_budget"])  # two is the least that will do
    check_folder(args.out)


def _budget(args: argparse.Namespace) -> Mapping[str, int]:
    return {"budget" if args.target is None else "max_budget": args.budget}
