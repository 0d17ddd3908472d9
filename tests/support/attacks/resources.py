"""Networks that would need too much, or do not run.

See docs/security.md, "Rules for archives", 10.
"""

from tests.support.attacks.registry import attack
from tests.support.pt2_archive import Upload, tensor


def _with_zeros(upload: Upload, shape: list[int]) -> None:
    upload.describe("zeros", "linear")
    meta = upload.graph["tensor_values"]["zeros"]
    meta["sizes"] = [{"as_int": size} for size in shape]
    meta["strides"] = [{"as_int": 1} for _ in shape]
    upload.insert(0, "torch.ops.aten.zeros.default", {"size": {"as_ints": shape}}, tensor("zeros"))


@attack("too-large", "zeros")
def huge_tensor(upload: Upload) -> None:
    _with_zeros(upload, [1 << 20, 1 << 20])
    upload.give_back("zeros")


@attack("malformed-archive", "zeros")
def overflowing_tensor(upload: Upload) -> None:
    _with_zeros(upload, [1 << 40, 1 << 40])
    upload.give_back("zeros")


@attack("too-large", "bytes")
def many_large_tensors(upload: Upload) -> None:
    _with_zeros(upload, [1 << 29])
    last = "zeros"
    for i in range(40):
        name = f"sum_{i}"
        upload.describe(name, "zeros")
        inputs = {"self": tensor(last), "other": {"as_int": 1}}
        upload.insert(i + 1, "torch.ops.aten.add.Tensor", inputs, tensor(name))
        last = name
    upload.give_back(last)


@attack("too-large", "operations")
def too_many_operations(upload: Upload) -> None:
    _with_zeros(upload, [1 << 14, 1 << 14])
    last = "zeros"
    for i in range(10):
        name = f"product_{i}"
        upload.describe(name, "zeros")
        inputs = {"self": tensor(last), "mat2": tensor("zeros")}
        upload.insert(i + 1, "torch.ops.aten.mm.default", inputs, tensor(name))
        last = name
    upload.give_back(last)


@attack("too-large", "input x")
def huge_input(upload: Upload) -> None:
    upload.graph["tensor_values"]["x"]["sizes"][0]["as_expr"]["hint"]["as_int"] = 1 << 40


@attack("malformed-archive", "linear in module 'head'")
def shapes_that_do_not_fit(upload: Upload) -> None:
    upload.set_argument("linear", "weight", **tensor("p_features_0_weight"))


@attack("malformed-archive", "view")
def graph_says_another_result(upload: Upload) -> None:
    upload.graph["tensor_values"]["view"]["sizes"][1] = {"as_int": 95}
