"""Many mutants, or calls of operators, in a child that may crash or hang."""

import argparse
import multiprocessing
import random
import sys
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz import operators
from tests.fuzz.judge import JUDGES, FoundError, judge

MOST_SECONDS = 60.0
"""After so long a mutant counts as a hang."""
AT_ONCE = 500
"""How many mutants a child judges before it is replaced."""


def main() -> None:
    """Judge mutants; exit with status 1 if one was neither read nor refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=[*JUDGES, "operator"])
    parser.add_argument("--count", type=int, default=1000, help="how many mutants")
    parser.add_argument("--seed", type=int, help="the first seed (default: a random one)")
    options = parser.parse_args()
    first = random.SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    print(f"{options.count} mutants, kind {options.kind}, seeds from {first}", flush=True)
    began = time.monotonic()
    endings, findings = fuzz(options.kind, first, first + options.count)
    for ending, count in endings.most_common():
        print(f"{count:8} {ending}")
    print(f"{len(findings)} findings in {time.monotonic() - began:.0f} s")
    sys.exit(bool(findings))


def fuzz(kind: str, first: int, last: int) -> tuple[Counter[str], dict[int, str]]:
    """Judge the mutants of the seeds `first` … `last − 1`; return the endings, and what is wrong.

    A child that crashes or hangs costs one mutant: another one goes on behind it.
    """
    endings: Counter[str] = Counter()
    findings: dict[int, str] = {}
    context = multiprocessing.get_context("fork")
    seed = first
    with TemporaryDirectory() as folder:
        while seed < last:
            ours, theirs = context.Pipe()
            stop = min(last, seed + AT_ONCE)
            arguments = (kind, seed, stop, Path(folder), theirs)
            child = context.Process(target=_child, args=arguments, daemon=True)
            child.start()
            theirs.close()
            while seed < stop:
                found = _answer(ours)
                if found is None:
                    child.kill()
                    child.join()
                    stop = seed + 1  # the next child goes on behind this mutant
                    found = [None, f"crash or hang: exit code {child.exitcode}"]
                ending, problem = found
                endings[ending or "found"] += 1
                if problem:
                    findings[seed] = problem
                    print(f"seed {seed}: {problem}", flush=True)
                seed += 1
                if not child.is_alive() and not ours.poll():
                    break
            child.join()
            print(f"{seed - first} judged, {len(findings)} findings", file=sys.stderr, flush=True)
    return endings, findings


def _answer(connection: "Connection[Any, Any]") -> Any:
    """Return how a mutant ended; None if its child has ended, or takes too long."""
    try:
        return connection.recv() if connection.poll(MOST_SECONDS) else None
    except EOFError:
        return None


def _child(
    kind: str, start: int, stop: int, folder: Path, connection: "Connection[Any, Any]"
) -> None:
    for seed in range(start, stop):
        try:
            ending = operators.call(seed) if kind == "operator" else judge(kind, seed, folder)
            connection.send((ending, None))
        except FoundError as error:
            where = traceback.extract_tb((error.__cause__ or error).__traceback__)[-1]
            connection.send((None, f"{error} ({where.filename}:{where.lineno})"))


if __name__ == "__main__":
    main()
