"""The common options of benchmarks with small networks."""

import argparse
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from benchmarks.processes import run
from benchmarks.scoring import GATES, METHODS, Criterion, Scoring, criteria, score
from benchmarks.training import Recipe, train

CONSOLE = Console(width=None if sys.stdout.isatty() else 150)
"""A console that is wide enough for the tables, even if the output is a file."""


def parser(documentation: str) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--limit", type=int, metavar="N", help="only the first N networks")
    result.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes, with one thread each"
    )
    result.add_argument("--methods", type=_words(METHODS), default=METHODS, metavar="A,B")
    result.add_argument("--gates", type=_words(GATES), default=GATES, metavar="A,B")
    result.add_argument("--train-only", action="store_true", help="train missing networks, and end")
    result.add_argument("--rescore", action="store_true", help="delete the stored analyses first")
    return result


def prepare(
    recipes: Sequence[Recipe], scored: Sequence[Recipe], options: argparse.Namespace
) -> list[Criterion]:
    """Train the missing networks, then analyse `scored` by each method; return the criteria."""
    recipes = [recipe for recipe in recipes if not recipe.path.exists()]
    run("training", train, recipes, options.jobs)
    if options.train_only:
        raise SystemExit
    chosen = criteria(options.methods, options.gates)
    work = [Scoring(recipe, criterion) for recipe in scored for criterion in chosen]
    for scoring in work if options.rescore else ():
        scoring.path.unlink(missing_ok=True)
    run("analysing", score, [w for w in work if not w.path.exists()], options.jobs)
    return chosen


def _words(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = tuple(text.split(","))
        if unknown := set(words) - set(known):
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(known)}"
            )
        return words

    return parse
