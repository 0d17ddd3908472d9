"""Where a node comes from, by its metadata: the modules around it, and the function called."""

import re
from collections.abc import Sequence

from narrows.graph.module_types import function_name, module_path, type_name
from worker.formats.strict_json import Value

_FREE_TEXT = re.compile(r".*", re.DOTALL)
_MODULE = re.compile(r"[^\x00-\x1f\x7f]{0,300}")
_CLASS = re.compile(r"[\w.]{0,300}", re.ASCII)
_STACK_KEY = re.compile(r"(?:L__self__|\d+).*", re.ASCII | re.DOTALL)


def read_origin(metadata: Value) -> tuple[Sequence[tuple[str, str]], str]:
    """Return the modules that a node is made in, as (path, class), and the function called.

    The stack is a text such as `L__self__,,pkg.Net;L__self__.conv,conv,torch.nn.Conv2d`, with the
    network itself first; a strict export has numbers for keys. Other texts tell of no module. A
    class made within a function has no name that could be looked up, so it is left out.
    """
    texts = metadata.table(_FREE_TEXT)
    stack, function = (
        texts[name].text(_FREE_TEXT) if name in texts else ""
        for name in ("nn_module_stack", "torch_fn")
    )
    entries = [tuple(entry.split(",", 2)) for entry in stack.split(";")]
    modules = [
        (module_path(entry[1]), type_name(entry[2]) if _CLASS.fullmatch(entry[2]) else "")
        for entry in entries
        if len(entry) == 3
        and _STACK_KEY.fullmatch(entry[0])
        and _MODULE.fullmatch(module_path(entry[1]))
    ]
    name = function_name(function.partition(";")[2])
    return modules or [("", "")], name if _CLASS.fullmatch(name) else ""


def describe(module: str) -> str:
    return f"module {module!r}" if module else "the network itself"
