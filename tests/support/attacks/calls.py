"""Operators outside the table, and arguments out of bounds.

See docs/security.md, "Rules for archives", 6 and 7.
"""

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, tensor


def _with_target(upload: Upload, target: str) -> None:
    upload.node("linear")["target"] = target


@attack("operator-not-supported", "torch.ops.aten.from_file.default in module 'head'")
def reads_files(upload: Upload) -> None:
    _with_target(upload, "torch.ops.aten.from_file.default")


@attack("operator-not-supported", "_reshape_alias")
def reads_the_heap(upload: Upload) -> None:
    _with_target(upload, "torch.ops.aten._reshape_alias.default")


@attack("operator-not-supported", "segment_reduce")
def crashes(upload: Upload) -> None:
    _with_target(upload, "torch.ops.aten.segment_reduce.default")


@attack("operator-not-supported", "higher_order")
def higher_order(upload: Upload) -> None:
    _with_target(upload, "torch.ops.higher_order.cond")


@attack("operator-not-supported", "os.system")
def python_function(upload: Upload) -> None:
    _with_target(upload, "os.system")


@attack("operator-not-supported", "load_library")
def library(upload: Upload) -> None:
    _with_target(upload, "torch.ops.load_library")


@attack("operator-not-supported", "aten.empty_strided")
def unwritten_memory(upload: Upload) -> None:
    _with_target(upload, "torch.ops.aten.empty_strided.default")


@attack("malformed-archive", "training")
def argument_of_another_type(upload: Upload) -> None:
    upload.set_argument("batch_norm", "training", **tensor("conv2d"))


@attack("malformed-archive", "evil")
def argument_that_does_not_exist(upload: Upload) -> None:
    upload.set_argument("linear", "evil", as_int=1)


@attack("malformed-archive", "lacks the argument weight")
def argument_that_is_missing(upload: Upload) -> None:
    del upload.node("linear")["inputs"][1]


@attack("malformed-archive", "as_graph")
def subgraph(upload: Upload) -> None:
    upload.set_argument("linear", "bias", as_graph={"name": "g", "graph": {}})


@attack("malformed-archive", "as_custom_obj")
def object_argument(upload: Upload) -> None:
    upload.set_argument("linear", "bias", as_custom_obj={"name": "g", "class_fqn": "x"})


@attack("malformed-archive", "exec")
def string_that_is_not_known(upload: Upload) -> None:
    node = upload.node("relu_")
    node["target"] = "torch.ops.aten.gelu.default"
    upload.set_argument("relu_", "approximate", as_string="exec")


@attack("operator-not-supported", "custom_obj")
def object_input(upload: Upload) -> None:
    specs = upload.model["graph_module"]["signature"]["input_specs"]
    specs[0] = {"custom_obj": {"arg": {"name": "p", "class_fqn": "x"}, "custom_obj_name": "p"}}


@attack("operator-out-of-bounds", "conv2d: stride 16384")
def huge_stride(upload: Upload) -> None:
    upload.set_argument("conv2d", "stride", as_ints=[16384, 16384])


@attack("operator-out-of-bounds", "padding")
def huge_padding(upload: Upload) -> None:
    upload.set_argument("conv2d", "padding", as_ints=[1 << 40, 1])


@attack("operator-out-of-bounds", "dilation 0")
def zero_dilation(upload: Upload) -> None:
    upload.set_argument("conv2d", "dilation", as_ints=[0, 1])


@attack("operator-out-of-bounds", "groups 0")
def zero_groups(upload: Upload) -> None:
    upload.set_argument("conv2d", "groups", as_int=0)


@attack("operator-out-of-bounds", "kernel_size -1")
def negative_kernel(upload: Upload) -> None:
    upload.set_argument("max_pool2d", "kernel_size", as_ints=[-1, 2])


@attack("operator-out-of-bounds", "empty tensor")
def empty_input(upload: Upload) -> None:
    upload.graph["tensor_values"]["x"]["sizes"][0]["as_expr"]["hint"]["as_int"] = 0


@attack("operator-out-of-bounds", "integers")
def integer_division(upload: Upload) -> None:
    counter = "b_features_1_num_batches_tracked"
    upload.describe("ratio", counter)
    inputs = {
        "self": tensor(counter),
        "other": {"as_int": -1},
        "rounding_mode": {"as_string": "trunc"},
    }
    upload.insert(1, "torch.ops.aten.div.Tensor_mode", inputs, tensor("ratio"))
    upload.give_back("ratio")


@attack("operator-out-of-bounds", "zero")
def size_divided_by_zero(upload: Upload) -> None:
    upload.graph["sym_int_values"]["none"] = {"as_int": 1}
    inputs = {"a": {"as_sym_int": {"as_name": "sym_size_int_1"}}, "b": {"as_int": 0}}
    upload.insert(1, "_operator.floordiv", inputs, {"as_sym_int": {"as_name": "none"}})
    upload.set_argument("view", "size", as_sym_ints=[{"as_name": "none"}, {"as_int": -1}])


@attack("operator-out-of-bounds", "too large")
def size_too_large(upload: Upload) -> None:
    upload.graph["sym_int_values"]["many"] = {"as_int": 1}
    inputs = {"a": {"as_sym_int": {"as_name": "sym_size_int_1"}}, "b": {"as_int": 1 << 62}}
    upload.insert(1, "_operator.mul", inputs, {"as_sym_int": {"as_name": "many"}})
    upload.set_argument("view", "size", as_sym_ints=[{"as_name": "many"}, {"as_int": -1}])
