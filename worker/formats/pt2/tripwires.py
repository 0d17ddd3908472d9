"""Checks data that Narrows never uses but that `torch.export.load` would run.

torch evaluates symbolic expressions and guards, and unpickles the sample inputs. Here they are only
compared with what an exporter writes; anything else may be an attack and is refused. Texts are
parsed to a syntax tree, never compiled or evaluated.

See docs/security.md, "Rules for archives", 3 and 8.
"""

import ast
import io
import pickletools
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache

from worker.errors import RefusedError
from worker.formats.pt2.archive import Archive
from worker.formats.refusals import quoted, unsafe
from worker.formats.strict_json import Value
from worker.formats.zip_directory import read_directory

_TEXT = re.compile(r"[ -~]{0,4096}")
_SYMBOL = re.compile(r"z?[suf]\d{1,6}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w{0,255}", re.ASCII)
_FUNCTIONS = frozenset(
    """Add And CeilDiv CeilToInt CleanDiv Eq Equality FloatTrueDiv FloorDiv FloorToInt Ge Gt
    GreaterThan Identity IntTrueDiv Le LessThan Lt Max Min Mod ModularIndexing Mul Ne Not Or Pow
    PythonMod StrictGreaterThan StrictLessThan ToFloat TruncToInt Unequality""".split()
)
_ASSUMPTIONS = frozenset({"positive", "nonnegative", "integer"})


def check_expression(value: Value) -> str:
    """Return the text of a symbolic size such as `Mul(Integer(2), Symbol('s0', positive=True))`.

    Raises RefusedError (unsafe-archive) for any other text.
    """
    text = value.text(_TEXT)
    if not _is_symbolic(text):
        raise unsafe(f"{value.where} is {quoted(text)}, which is not a symbolic size.")
    return text


@lru_cache(maxsize=1024)  # an archive repeats a few expressions
def _is_symbolic(text: str) -> bool:
    tree = _parse(text)
    return tree is not None and _is_expression(tree, depth=0)


def _parse(text: str) -> ast.expr | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_expression(node: ast.expr, depth: int) -> bool:
    match node:
        case ast.Name("true" | "false"):
            return True
        case ast.Call(ast.Name("Symbol"), [ast.Constant(str(name))], keywords):
            return _SYMBOL.fullmatch(name) is not None and all(map(_is_assumption, keywords))
        case ast.Call(ast.Name("Integer"), [number], []):
            return _is_integer(number)
        case ast.Call(ast.Name("Rational"), [over, under], []):
            return _is_integer(over) and _is_integer(under)
        case ast.Call(ast.Name("Pow"), [base, ast.Call(ast.Name("Integer"), [exponent], [])], []):
            small = ast.unparse(exponent) in {"-1", "2", "3", "4"}
            return small and depth < 24 and _is_expression(base, depth + 1)
        case ast.Call(ast.Name(function), operands, []) if function != "Pow":
            known = function in _FUNCTIONS and depth < 24
            return known and all(_is_expression(operand, depth + 1) for operand in operands)
    return False


def _is_assumption(keyword: ast.keyword) -> bool:
    known = keyword.arg in _ASSUMPTIONS and isinstance(keyword.value, ast.Constant)
    return known and keyword.value.value in (True, False)  # type: ignore[attr-defined]


def _is_integer(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value < 1 << 63


_GUARD_SYNTAX = (
    ast.Compare, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add,
    ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
    ast.Constant, ast.Subscript, ast.Name, ast.Load, ast.Call, ast.Attribute,
)  # fmt: skip
_GUARD_NAMES = frozenset("L Eq FloorDiv Max Min Mod Ne PythonMod max min".split())
_GUARD_ATTRIBUTES = frozenset({"size", "stride", "storage_offset"})


def check_guard(value: Value) -> None:
    """Check a guard such as `L['x'].size()[0] <= 64`; raise RefusedError (unsafe-archive)."""
    text = value.text(_TEXT)
    tree = _parse(text)
    for node in ast.walk(tree) if tree else [None]:
        match node:
            case ast.Name(name):
                plain = name in _GUARD_NAMES
            case ast.Attribute(_, name):
                plain = name in _GUARD_ATTRIBUTES
            case ast.Constant(str(name)):
                plain = _NAME.fullmatch(name) is not None
            case ast.Constant(constant):
                plain = type(constant) in (int, bool)
            case _:
                plain = isinstance(node, _GUARD_SYNTAX)
        if not plain:
            raise unsafe(f"{value.where} is {quoted(text)}, which is not a plain guard on sizes.")


_TORCH_SAVE = re.compile(
    r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment|data/\d{1,6}|"
    r"\.data/(?:version|serialization_id)",
    re.ASCII,
)
_STORAGES = (
    f"torch {kind}Storage"
    for kind in "BFloat16 Bool Byte Char Double Float Half Int Long Short".split()
)
_PICKLE_GLOBALS = frozenset(
    {
        "collections OrderedDict",
        "torch Size",
        "__builtin__ set",  # torch.export notes dynamic dimensions on the tensors themselves
        "builtins set",
        "torch Tensor",
        "torch device",
        "torch._tensor _rebuild_from_type_v2",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_tensor_v2",
        "torch.serialization _get_layout",
        *_STORAGES,
    }
)
_PICKLE_CODE = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}


def check_sample_inputs(data: bytes) -> None:
    """Check that the example inputs, a pickle that Narrows never loads, import only tensor types.

    Raises RefusedError (unsafe-archive).
    """
    if not data:
        return
    file = io.BytesIO(data)
    try:
        pickled = Archive(file, read_directory(file), _TORCH_SAVE).read("data.pkl", 8 << 20)
        imported = set(_imports(pickled))
    except RefusedError as refusal:
        raise unsafe(f"The example inputs are not a file of torch.save: {refusal.detail}") from None
    except (ValueError, IndexError, AttributeError, TypeError, OverflowError):
        raise unsafe("The example inputs are no pickle that torch.save writes.") from None

    if unknown := imported - _PICKLE_GLOBALS:
        raise unsafe(f"The example inputs are a pickle that imports {quoted(min(unknown))}.")


def _imports(pickled: bytes) -> Iterator[str]:
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            yield str(argument)
        elif opcode.name in _PICKLE_CODE:
            yield opcode.name
