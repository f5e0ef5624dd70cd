"""The command line: arguments in, a table on the screen, a page and a JSON file on the disk."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from spexjax.demo import ANSWER_PREFIX, ANSWERS, QUESTION, REVIEW


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `spexjax`; returns the exit code: 0, or 2 with one sentence on standard error when the input is at fault."""
    start = time.perf_counter()
    args = _parser().parse_args(arguments)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        return _explain(args, start)
    except (ValueError, ImportError, OSError) as error:
        print(f"spexjax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("spexjax: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spexjax", description="Which combinations of words, sentences or tokens drive an LLM's answer."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="explain SmolLM2's verdict on a film review")
    explain = commands.add_parser("explain", help="explain a model's answer to a text")
    source = explain.add_mutually_exclusive_group()
    source.add_argument(
        "text", nargs="?", help="the text; read from standard input if neither text nor --file is given"
    )
    source.add_argument("--file", type=Path, help="read the text from this file")
    explain.add_argument("--model", default="smollm2", help="smollm2, a Hugging Face id, a folder or a .gguf file")
    explain.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    explain.add_argument("--question", help="asked before the text, or around {text}; never ablated")
    explain.add_argument(
        "--answers",
        nargs="+",
        help="two answers (logit difference) or one (log-probability); the model's own by default",
    )
    explain.add_argument("--answer-prefix", default="", help="what the model's turn begins with")
    explain.add_argument("--value", help="logit-difference, log-probability or log-odds")
    explain.add_argument("--features", default="word", choices=["word", "sentence", "line", "token"])
    explain.add_argument("--removal", default="delete", choices=["delete", "replace", "hide"])
    explain.add_argument("--replacement", default="_", help="what stands for a removed unit with --removal replace")
    for command in (demo, explain):
        command.add_argument("--budget", type=int, default=512, help="ablations to spend (default: 512)")
        command.add_argument(
            "--target",
            type=float,
            help="stop once faithfulness is this; the budget is then the most to spend",
        )
        command.add_argument(
            "--method", default="auto", help="auto, exact, proxyspex, proxyspex-trees[-fast], lasso or spex"
        )
        command.add_argument(
            "--index", default="FSII", help="SV, BV, SII, BII, STII, FSII, FBII, k-SII, Moebius or Fourier"
        )
        command.add_argument("--order", type=int, default=2, help="largest interaction (default: 2)")
        command.add_argument("--top", type=int, default=10, help="interactions in the table (default: 10)")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--out", type=Path, default=Path("out"), help="folder for the page and the JSON file")
        command.add_argument("--store", help="folder or bucket where values are kept (default: OUT/values)")
        command.add_argument("--quiet", action="store_true", help="no progress bar")
    demo.set_defaults(
        text=REVIEW, file=None, model="smollm2", dtype="float32", question=QUESTION, answers=ANSWERS,
        answer_prefix=ANSWER_PREFIX, value=None, features="word", removal="delete", replacement="_",
    )  # fmt: skip
    return parser


def _explain(args: argparse.Namespace, start: float) -> int:
    text = _read(args)
    import jax

    _cache_programs(jax)
    from rich.console import Console

    import spexjax as sx
    from spexjax.budget import check_target
    from spexjax.indices import check_index
    from spexjax.methods import check_name
    from spexjax.report import interaction_table, where_time_went, write_html

    check_index(args.index, args.order)
    check_name(args.method)
    if args.target is not None:
        check_target(args.target)
    model = sx.load_model(args.model, dtype=args.dtype)
    ablation = sx.ablations.text(
        model,
        text,
        question=args.question,
        answers=args.answers,
        features=args.features,
        removal=args.removal,
        replacement=args.replacement,
        value=args.value,
        answer_prefix=args.answer_prefix,
    )
    loaded = time.perf_counter()
    explanation = sx.explain(
        ablation,
        **({"budget": args.budget} if args.target is None else {"max_budget": args.budget}),
        target_faithfulness=args.target,
        index=args.index,
        key=jax.random.key(args.seed),
        method=args.method,
        store=sx.Store(args.store or args.out / "values"),
        progress=False if args.quiet else None,
    )
    explained, console = time.perf_counter(), Console()
    console.print(interaction_table(explanation, args.index, args.order, args.top))
    page = write_html(explanation, args.out / "explanation.html", index=args.index, max_order=args.order)
    record = explanation.save(args.out)
    end = time.perf_counter()
    seconds = {"load": loaded - start, **explanation.provenance["seconds"], "report": end - explained}
    console.print(f"time  {where_time_went(seconds)} · total {end - start:.1f} s", highlight=False, soft_wrap=True)
    console.print(f"page  {page}\nJSON  {record}", highlight=False, soft_wrap=True)
    return 0


def _read(args: argparse.Namespace) -> str:
    if args.file is not None:
        return args.file.read_text(encoding="utf-8")
    if args.text is not None:
        return args.text
    if sys.stdin.isatty():
        raise ValueError("There is no text: give it as an argument, with --file, or on standard input.")
    return sys.stdin.read()


def _cache_programs(jax) -> None:
    """Keeps compiled programs on disk, so that only the first run compiles; JAX's own variable has precedence."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "spexjax" / "programs"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


if __name__ == "__main__":
    sys.exit(main())
