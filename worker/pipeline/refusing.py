"""Refuses a network that does not run: an operator fails for a reason that no check foresaw."""

import logging
from collections.abc import Callable
from functools import wraps
from traceback import walk_tb
from typing import Final, ParamSpec, TypeVar

from narrows.graph.network import run_node
from narrows.graph.node import Node
from service.logs import first_line
from worker.errors import RefusedError
from worker.formats.pt2.origins import describe
from worker.hardware.memory import is_out_of_memory

P = ParamSpec("P")
T = TypeVar("T")

OF_OPERATORS: Final = (RuntimeError, ValueError, TypeError, IndexError)
"""What torch's operators raise for arguments that they do not take."""

log = logging.getLogger(__name__)


def refusing(step: Callable[P, T]) -> Callable[P, T]:
    """Let a step raise RefusedError where an operator of the network fails.

    The dry run has no data, and one size of batch. So an operator may fail later: on another size
    of batch, or on a kind of number that torch's kernel lacks.
    """

    @wraps(step)
    def refuse(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return step(*arguments, **named)
        except OF_OPERATORS as error:
            node = failed_node(error)
            if node is None or is_out_of_memory(error):
                raise
            log.info("%s fails", node.op, exc_info=error)
            raise RefusedError(
                "network-does-not-run",
                "The network does not run",
                f"The operator {node.op} in {describe(node.module)} fails on these samples: "
                f"{first_line(error)}. Run the exported program on several sizes of batch.",
            ) from None

    return refuse


def failed_node(error: BaseException) -> Node | None:
    """Return the node that was being computed when the error was raised; None if none was."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is run_node.__code__:
            node: Node = frame.f_locals["node"]
            return node
    return None
