"""Texts that torch would evaluate, and names that it would paste.

See docs/security.md, "Rules for archives", 5 and 8.
"""

import json
from typing import Any

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, tensor


def _with_symbol(upload: Upload, text: str) -> None:
    upload.graph["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = text


@attack("unsafe-archive", "__import__")
def symbol_that_runs_code(upload: Upload) -> None:
    _with_symbol(upload, "__import__('os').system('true')")


@attack("unsafe-archive", "9**9**9")
def symbol_that_never_ends(upload: Upload) -> None:
    _with_symbol(upload, "9**9**9")


@attack("unsafe-archive", "Pow")
def symbol_that_never_ends_in_sympy(upload: Upload) -> None:
    _with_symbol(upload, "Pow(Integer(9), Pow(Integer(9), Integer(9)))")


@attack("unsafe-archive", "(((")
def symbol_that_is_deep(upload: Upload) -> None:
    _with_symbol(upload, "(" * 2000 + ")" * 2000)


@attack("unsafe-archive", "Symbol")
def symbol_with_another_name(upload: Upload) -> None:
    _with_symbol(upload, "Symbol('x; import os', positive=True)")


@attack("unsafe-archive", "system")
def guard_that_runs_code(upload: Upload) -> None:
    upload.model["guards_code"] = ["__import__('os').system('true')"]


@attack("unsafe-archive", "lambda")
def guard_with_a_lambda(upload: Upload) -> None:
    upload.model["guards_code"] = ["(lambda: 1)()"]


def _with_treespec(upload: Upload, kind: str, context: Any) -> None:
    spec = [1, {"type": kind, "context": context, "children_spec": []}]
    signature = upload.model["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = json.dumps(spec)


@attack("unsafe-archive", "collections.namedtuple")
def treespec_that_imports(upload: Upload) -> None:
    _with_treespec(upload, "collections.namedtuple", '"os.system"')


@attack("unsafe-archive", "context")
def treespec_with_a_context(upload: Upload) -> None:
    _with_treespec(
        upload, "builtins.tuple", {"__enum__": True, "fqn": "os:environ", "name": "HOME"}
    )


@attack("malformed-archive", "context")
def treespec_with_half_a_character(upload: Upload) -> None:
    _with_treespec(upload, "builtins.dict", '["\ud800"]')


def _nest_outputs(upload: Upload, context: str, *children: dict[str, Any]) -> None:
    signature = upload.model["graph_module"]["module_call_graph"][0]["signature"]
    spec = {"type": "builtins.dict", "context": context, "children_spec": children}
    signature["out_spec"] = json.dumps([1, spec])


_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}


@attack("malformed-archive", "does not nest 1 outputs")
def treespec_of_too_many_outputs(upload: Upload) -> None:
    _nest_outputs(upload, '["a", "b"]', _LEAF, _LEAF)


@attack("malformed-archive", "does not name 2 items")
def treespec_of_one_name_for_two(upload: Upload) -> None:
    _nest_outputs(upload, '["a", "a"]', _LEAF, _LEAF)


@attack("malformed-archive", "in a tensor")
def treespec_of_a_tensor_of_tensors(upload: Upload) -> None:
    _nest_outputs(upload, '["a"]', {**_LEAF, "children_spec": [_LEAF]})


@attack("malformed-archive", "treespec")
def treespec_that_is_deep(upload: Upload) -> None:
    _with_treespec(upload, "builtins.tuple", None)
    signature = upload.model["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = "[1, " + '{"children_spec": [' * 1000


@attack("malformed-archive", "import os")
def name_that_is_code(upload: Upload) -> None:
    upload.node("conv2d")["outputs"][0]["as_tensor"]["name"] = "x\nimport os"


@attack("malformed-archive", "import os")
def argument_name_that_is_code(upload: Upload) -> None:
    upload.node("conv2d")["inputs"][0]["name"] = "input=0); import os; f("


@attack("malformed-archive", "import os")
def forward_argument_that_is_code(upload: Upload) -> None:
    signature = upload.model["graph_module"]["module_call_graph"][0]["signature"]
    signature["forward_arg_names"] = ["x): import os #"]


@attack("malformed-archive", "second time")
def assigned_twice(upload: Upload) -> None:
    upload.node("linear")["outputs"] = [tensor("view")]


@attack("malformed-archive", "not defined")
def used_before_it_is_defined(upload: Upload) -> None:
    upload.set_argument("conv2d", "input", **tensor("linear"))


@attack("malformed-archive", "not defined")
def output_that_is_not_defined(upload: Upload) -> None:
    name = upload.node("linear")["outputs"][0]["as_tensor"]["name"]
    upload.graph["nodes"].pop()
    assert upload.graph["outputs"][0] == tensor(name)


@attack("operator-not-supported", "before is read after")
def reads_an_overwritten_view(upload: Upload) -> None:
    upload.describe("before", "batch_norm")
    inputs = {"self": tensor("batch_norm")}
    upload.insert(3, "torch.ops.aten.contiguous.default", inputs, tensor("before"))
    upload.set_argument("max_pool2d", "self", **tensor("before"))


@attack("operator-not-supported", "'head.weight'")
def overwrites_a_weight(upload: Upload) -> None:
    upload.set_argument("relu_", "self", **tensor("p_head_weight"))


def _with_input(upload: Upload, target: str, inputs: dict[str, Any]) -> None:
    """Replace the first layer's input by the result of a node."""
    upload.describe("made", "x")
    upload.insert(1, target, inputs, tensor("made"))
    upload.set_argument("conv2d", "input", **tensor("made"))


@attack("malformed-archive", "einsum")
def view_of_nothing(upload: Upload) -> None:
    inputs = {"equation": {"as_string": "i->i"}, "tensors": {"as_tensors": []}}
    _with_input(upload, "torch.ops.aten.einsum.default", inputs)


@attack("malformed-archive", "type_as")
def view_of_a_size(upload: Upload) -> None:
    size = {"as_sym_int": {"as_name": "sym_size_int_1"}}
    _with_input(upload, "torch.ops.aten.type_as.default", {"self": size, "other": {"as_int": 1}})


@attack("malformed-archive", "in place")
def writes_into_a_size(upload: Upload) -> None:
    size = {"as_sym_int": {"as_name": "sym_size_int_1"}}
    _with_input(upload, "torch.ops.aten.mul_.Tensor", {"self": size, "other": {"as_int": 1}})


@attack("malformed-archive", "in place")
def writes_into_a_number(upload: Upload) -> None:
    upload.node("relu_")["target"] = "torch.ops.aten.add_.Tensor"
    upload.set_argument("relu_", "self", as_int=1)
    upload.set_argument("relu_", "other", **tensor("batch_norm"))
    upload.describe("relu_", "batch_norm")


@attack("malformed-archive", "context")
def treespec_of_names_that_are_code(upload: Upload) -> None:
    _nest_outputs(upload, '["a", {"__import__": "os"}]', _LEAF, _LEAF)


@attack("malformed-archive", "which is not allowed here")
def treespec_of_names_that_write_lines(upload: Upload) -> None:
    _nest_outputs(upload, '["a\\nb"]', _LEAF)


@attack("malformed-archive", "does not nest 1 outputs")
def treespec_of_a_dataclass_of_fewer(upload: Upload) -> None:
    _nest_outputs(upload, '[[], ["a", "b"]]')


@attack("malformed-archive", "not a plain name")
def module_name_that_writes_lines(upload: Upload) -> None:
    upload.weights["config"]["head\nweight"] = upload.weights["config"].pop("head.weight")
