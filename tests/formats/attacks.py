"""Crafted archives: what each changes in a real one, and what it must be refused for.

Behind every attack is one that made `torch.export.load` run code, crash, hang or read memory, or
one that a rule of GATE.md forbids.
"""

import copy
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

CANARY = Path(os.environ.get("TMPDIR", "/tmp")) / f"narrows-canary-{os.getpid()}"


class Canary:
    """Something that leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(CANARY), "w")


@dataclass
class Upload:
    """An archive taken apart."""

    members: dict[str, bytes]
    model: Any
    weights: Any
    constants: Any

    _MODEL = "models/model.json"
    _WEIGHTS = "data/weights/model_weights_config.json"
    _CONSTANTS = "data/constants/model_constants_config.json"

    @classmethod
    def read(cls, path: Path) -> "Upload":
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        parts = (json.loads(members[name]) for name in (cls._MODEL, cls._WEIGHTS, cls._CONSTANTS))
        return cls(members, *parts)

    def copy(self) -> "Upload":
        return copy.deepcopy(self)

    def data(self) -> bytes:
        """Return the archive's bytes."""
        parts = {
            self._MODEL: self.model,
            self._WEIGHTS: self.weights,
            self._CONSTANTS: self.constants,
        }
        return pack(
            self.members | {name: json.dumps(part).encode() for name, part in parts.items()}
        )

    @property
    def graph(self) -> Any:
        return self.model["graph_module"]["graph"]

    def node(self, name: str) -> Any:
        return next(node for node in self.graph["nodes"] if node["name"] == name)

    def argument(self, node: str, name: str) -> Any:
        """Return the argument of a node, made if the export leaves it to its default."""
        inputs = self.node(node)["inputs"]
        found = next((item for item in inputs if item["name"] == name), None)
        if found is None:
            found = {"name": name, "arg": {}, "kind": 2}
            inputs.append(found)
        return found["arg"]

    def set_argument(self, node: str, name: str, **value: Any) -> None:
        argument = self.argument(node, name)
        argument.clear()
        argument.update(value)

    def insert(
        self, index: int, target: str, inputs: dict[str, Any], output: Any, **more: Any
    ) -> None:
        """Put a node before the one at `index`."""
        entries = [{"name": name, "arg": arg, "kind": 1} for name, arg in inputs.items()]
        node = {"target": target, "inputs": entries, "outputs": [output], "metadata": {}} | more
        self.graph["nodes"].insert(index, node)

    def describe(self, name: str, like: str) -> None:
        """Add a tensor to what the graph describes."""
        self.graph["tensor_values"][name] = copy.deepcopy(self.graph["tensor_values"][like])


def tensor(name: str) -> dict[str, Any]:
    return {"as_tensor": {"name": name}}


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"model/{name}", data)
    return file.getvalue()


@dataclass(frozen=True)
class Attack:
    name: str
    slug: str
    culprit: str
    make: Callable[[Upload], bytes]


ATTACKS: list[Attack] = []
Change = Callable[[Upload], bytes | None]


def attack(slug: str, culprit: str) -> Callable[[Change], Change]:
    """Register an attack: the slug that refuses it, and a word that its message must hold."""

    def register(change: Change) -> Change:
        def make(upload: Upload) -> bytes:
            data = change(upload)
            return upload.data() if data is None else data

        ATTACKS.append(Attack(change.__name__, slug, culprit, make))
        return change

    return register


# --- pickles (rule 3) ---


@attack("unsafe-archive", "head.weight")
def weight_flagged_as_pickle(upload: Upload) -> None:
    upload.weights["config"]["head.weight"]["use_pickle"] = True
    upload.members["data/weights/weight_4"] = pickle.dumps(Canary())


@attack("unsafe-archive", "open")
def sample_inputs_that_run_code(upload: Upload) -> None:
    file = io.BytesIO()
    torch.save(Canary(), file)
    upload.members["data/sample_inputs/model.pt"] = file.getvalue()


@attack("not-an-archive", "zip")
def sample_inputs_that_are_a_bare_pickle(upload: Upload) -> None:
    upload.members["data/sample_inputs/model.pt"] = pickle.dumps(Canary(), protocol=2)


@attack("unsafe-archive", "no pickle")
def sample_inputs_that_are_noise(upload: Upload) -> None:
    upload.members["data/sample_inputs/model.pt"] = pack({"data.pkl": b"\x80\x02\xff\xff"})


@attack("pickle-checkpoint", "narrows export")
def checkpoint(_: Upload) -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, file)
    return file.getvalue()


@attack("pickle-checkpoint", "narrows export")
def legacy_checkpoint(_: Upload) -> bytes:
    file = io.BytesIO()
    torch.save(Canary(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@attack("pickle-checkpoint", "narrows export")
def protocol_four_pickle(_: Upload) -> bytes:
    return pickle.dumps(Canary(), protocol=4)


@attack("torchscript", "narrows export")
def torchscript(_: Upload) -> bytes:
    return pack({"data.pkl": b"", "code/__torch__.py": b"", "constants.pkl": b""})


@attack("unsafe-archive", "custom_obj_values")
def custom_object(upload: Upload) -> None:
    upload.graph["custom_obj_values"] = {"evil": {"name": "evil", "class_fqn": "os.system"}}


@attack("unsafe-archive", "opaque_obj_0")
def opaque_object(upload: Upload) -> None:
    upload.members["data/constants/opaque_obj_0"] = pickle.dumps(Canary())


@attack("unsafe-archive", "aotinductor")
def shared_library(upload: Upload) -> None:
    upload.members["data/aotinductor/model/evil.so"] = b"\x7fELF"


# --- what it is not ---


@attack("not-an-archive", "empty")
def empty_file(_: Upload) -> bytes:
    return b""


@attack("not-an-archive", "narrows export")
def noise(_: Upload) -> bytes:
    return b"This is no network." * 10


@attack("not-an-archive", "safetensors")
def safetensors(_: Upload) -> bytes:
    return struct.pack("<Q", 2) + b'{"a":{}}'


@attack("not-an-archive", "ONNX")
def onnx(_: Upload) -> bytes:
    return b"\x08\x0a\x12\x07pytorch" + bytes(40)


@attack("not-an-archive", "models/model.json")
def another_zip(_: Upload) -> bytes:
    return pack({"readme.txt": b"hello"})


@attack("archive-version", "2.8")
def old_export(_: Upload) -> bytes:
    return pack({"serialized_exported_program.json": b"{}", "version": b"7.1"})


@attack("archive-version", "8.x")
def newer_schema(upload: Upload) -> None:
    upload.model["schema_version"]["major"] = 9


@attack("archive-version", "archive's version")
def newer_archive(upload: Upload) -> None:
    upload.members["archive_version"] = b"1"


@attack("archive-version", "pt3")
def other_format(upload: Upload) -> None:
    upload.members["archive_format"] = b"pt3"


@attack("malformed-archive", "byteorder")
def big_endian(upload: Upload) -> None:
    upload.members["byteorder"] = b"big"


# --- the zip container (rule 1) ---


@attack("unsafe-archive", "weight_0")
def duplicate_member(upload: Upload) -> bytes:
    with io.BytesIO(upload.data()) as file:
        with zipfile.ZipFile(file, "a") as archive, _no_warnings():
            archive.writestr("model/data/weights/weight_0", b"x")
        return file.getvalue()


@attack("unsafe-archive", "Models/model.json")
def member_in_another_case(upload: Upload) -> None:
    upload.members["Models/model.json"] = b"{}"


@attack("unsafe-archive", "compressed")
def compressed_members(upload: Upload) -> bytes:
    return pack(upload.members, zipfile.ZIP_DEFLATED)


@attack("unsafe-archive", "compressed")
def deflate_bomb(upload: Upload) -> bytes:
    return pack({"data/weights/weight_0": bytes(1 << 24)} | upload.members, zipfile.ZIP_DEFLATED)


@attack("unsafe-archive", "disagree")
def local_name_differs(upload: Upload) -> bytes:
    data = upload.data()
    return data.replace(b"data/weights/weight_0", b"data/weights/weight_9", 1)


@attack("unsafe-archive", "overlaps")
def members_overlap(upload: Upload) -> bytes:
    data = bytearray(upload.data())
    first = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return bytes(data)


@attack("not-an-archive", "zip")
def prefixed(upload: Upload) -> bytes:
    return b"#!/bin/sh\n" + upload.data()


@attack("malformed-archive", "disagree")
def prefixed_by_another_zip(upload: Upload) -> bytes:
    return pack({"a": b""}) + upload.data()


@attack("malformed-archive", "comment")
def comment(upload: Upload) -> bytes:
    with io.BytesIO(upload.data()) as file:
        with zipfile.ZipFile(file, "a") as archive:
            archive.comment = b"hello"
        return file.getvalue()


@attack("malformed-archive", "cut off")
def followed_by_data(upload: Upload) -> bytes:
    return upload.data() + b"#!/bin/sh"


@attack("malformed-archive", "cut off")
def cut_off(upload: Upload) -> bytes:
    return upload.data()[:-100]


@attack("malformed-archive", "weight_0")
def wrong_checksum(upload: Upload) -> bytes:
    data = bytearray(upload.data())
    start = data.index(b"weight_0") + 8
    data[start] ^= 1
    return bytes(data)


@attack("unsafe-archive", "..")
def path_traversal(upload: Upload) -> None:
    upload.members["../../../etc/passwd"] = b"root"


@attack("unsafe-archive", "other/model.json")
def second_root(upload: Upload) -> bytes:
    with io.BytesIO(upload.data()) as file:
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("other/model.json", b"{}")
        return file.getvalue()


@attack("too-large", "members")
def many_members(_: Upload) -> bytes:
    data = bytearray(pack({"models/model.json": b"{}"}))
    entry = bytes(data[data.index(b"PK\1\2") : data.index(b"PK\5\6")])
    start, count = data.index(b"PK\1\2"), 30_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(entry) * count, start, 0)
    return bytes(data[:start]) + entry * count + end


@attack("malformed-archive", "model_weights_config.json")
def missing_member(upload: Upload) -> bytes:
    return pack({k: v for k, v in upload.members.items() if "weights_config" not in k})


# --- JSON (rule 2) ---


def _with_model(upload: Upload, text: str) -> bytes:
    return pack(upload.members | {"models/model.json": text.encode()})


@attack("malformed-archive", "nested")
def deep_json(upload: Upload) -> bytes:
    return _with_model(upload, "[" * 100_000 + "]" * 100_000)


@attack("malformed-archive", "'nodes'")
def duplicate_key(upload: Upload) -> bytes:
    return _with_model(
        upload, json.dumps(upload.model).replace('"nodes":', '"nodes": [], "nodes":')
    )


@attack("malformed-archive", "NaN")
def not_a_number(upload: Upload) -> bytes:
    return _with_model(upload, json.dumps(upload.model).replace("1e-05", "NaN"))


@attack("malformed-archive", "digits")
def long_integer(upload: Upload) -> bytes:
    return _with_model(
        upload, json.dumps(upload.model).replace('"as_int": 3', f'"as_int": {"9" * 5000}')
    )


@attack("malformed-archive", "too large")
def long_float(upload: Upload) -> bytes:
    return _with_model(upload, json.dumps(upload.model).replace("1e-05", "1e999"))


@attack("malformed-archive", "not JSON")
def bytes_that_are_no_text(upload: Upload) -> bytes:
    return pack(upload.members | {"models/model.json": b"\xff{}"})


@attack("malformed-archive", "'extra'")
def unknown_key(upload: Upload) -> None:
    upload.graph["extra"] = 1


@attack("malformed-archive", "is_param")
def missing_key(upload: Upload) -> None:
    del upload.weights["config"]["head.weight"]["is_param"]


@attack("malformed-archive", "is not a list")
def wrong_type(upload: Upload) -> None:
    upload.graph["nodes"] = {}


@attack("malformed-archive", "requires_grad")
def number_for_a_bool(upload: Upload) -> None:
    upload.weights["config"]["head.weight"]["tensor_meta"]["requires_grad"] = 1


@attack("too-large", "nodes")
def too_many_nodes(upload: Upload) -> None:
    upload.graph["nodes"] = [0] * 20_001


# --- tensors (rule 4) ---


def _meta(upload: Upload) -> Any:
    return upload.weights["config"]["head.weight"]["tensor_meta"]


@attack("unsafe-archive", "strides")
def zero_strides(upload: Upload) -> None:
    _meta(upload)["strides"] = [{"as_int": 0}, {"as_int": 1}]


@attack("unsafe-archive", "strides")
def overlapping_strides(upload: Upload) -> None:
    _meta(upload)["strides"] = [{"as_int": 7}, {"as_int": 1}]


@attack("malformed-archive", "strides")
def negative_strides(upload: Upload) -> None:
    _meta(upload)["strides"] = [{"as_int": -96}, {"as_int": 1}]


@attack("malformed-archive", "too small")
def payload_too_small(upload: Upload) -> None:
    path = upload.weights["config"]["head.weight"]["path_name"]
    upload.members[f"data/weights/{path}"] = b""


@attack("malformed-archive", "too small")
def offset_beyond_the_payload(upload: Upload) -> None:
    _meta(upload)["storage_offset"] = {"as_int": 1 << 39}


@attack("malformed-archive", "head.weight")
def claims_two_gigabytes(upload: Upload) -> None:
    _meta(upload)["sizes"] = [{"as_int": 1 << 29}, {"as_int": 1}]
    _meta(upload)["strides"] = [{"as_int": 1}, {"as_int": 1}]


@attack("malformed-archive", "empty tensor")
def empty_weight(upload: Upload) -> None:
    _meta(upload)["sizes"] = [{"as_int": 0}, {"as_int": 96}]


@attack("malformed-archive", "not a number")
def symbolic_weight(upload: Upload) -> None:
    _meta(upload)["sizes"][0] = {"as_expr": {"expr_str": "Symbol('s0')", "hint": {"as_int": 5}}}


@attack("malformed-archive", "number type 10")
def complex_weight(upload: Upload) -> None:
    _meta(upload)["dtype"] = 10


@attack("malformed-archive", "layout")
def sparse_weight(upload: Upload) -> None:
    _meta(upload)["layout"] = 1


@attack("malformed-archive", "head.weight")
def graph_says_another_shape(upload: Upload) -> None:
    upload.graph["tensor_values"]["p_head_weight"]["sizes"][0] = {"as_int": 6}


@attack("malformed-archive", "path_name")
def weight_outside_the_archive(upload: Upload) -> None:
    upload.weights["config"]["head.weight"]["path_name"] = "../../etc/passwd"


@attack("malformed-archive", "head.weight")
def weight_that_is_not_there(upload: Upload) -> None:
    del upload.weights["config"]["head.weight"]


@attack("unsafe-archive", "head.bias")
def tensors_share_memory(upload: Upload) -> None:
    weight = upload.weights["config"]["head.weight"]["path_name"]
    upload.weights["config"]["head.bias"]["path_name"] = weight


# --- symbols, guards, treespecs (rule 8) ---


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
    _with_symbol(upload, "(" * 4000 + ")" * 4000)


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


@attack("malformed-archive", "treespec")
def treespec_that_is_deep(upload: Upload) -> None:
    _with_treespec(upload, "builtins.tuple", None)
    signature = upload.model["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = "[1, " + '{"children_spec": [' * 1000


# --- names and order (rule 5) ---


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


@attack("operator-not-supported", "batch_norm")
def reads_an_overwritten_view(upload: Upload) -> None:
    upload.describe("before", "batch_norm")
    upload.insert(
        3, "torch.ops.aten.detach.default", {"self": tensor("batch_norm")}, tensor("before")
    )
    upload.set_argument("max_pool2d", "self", **tensor("before"))
    upload.node("max_pool2d")["inputs"][0]["name"] = "self"


@attack("operator-not-supported", "'head.weight'")
def overwrites_a_weight(upload: Upload) -> None:
    upload.set_argument("relu_", "self", **tensor("p_head_weight"))


@attack("malformed-archive", "number")
def writes_into_a_number(upload: Upload) -> None:
    upload.node("relu_")["target"] = "torch.ops.aten.add_.Tensor"
    upload.set_argument("relu_", "self", as_int=1)
    upload.set_argument("relu_", "other", **tensor("batch_norm"))
    upload.describe("relu_", "batch_norm")


# --- operators (rule 6) ---


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


@attack("operator-not-supported", "aten.empty")
def unwritten_memory(upload: Upload) -> None:
    _with_target(upload, "torch.ops.aten.empty.memory_format")


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


# --- bounds (rule 7) ---


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
    _return(upload, "ratio")


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


# --- the dry run (rule 10) ---


def _return(upload: Upload, name: str) -> None:
    upload.graph["outputs"] = [tensor(name)]
    specs = upload.model["graph_module"]["signature"]["output_specs"]
    specs[0]["user_output"]["arg"] = tensor(name)


def _with_zeros(upload: Upload, shape: list[int]) -> None:
    upload.describe("zeros", "linear")
    meta = upload.graph["tensor_values"]["zeros"]
    meta["sizes"] = [{"as_int": size} for size in shape]
    meta["strides"] = [{"as_int": 1} for _ in shape]
    upload.insert(0, "torch.ops.aten.zeros.default", {"size": {"as_ints": shape}}, tensor("zeros"))


@attack("too-large", "zeros")
def huge_tensor(upload: Upload) -> None:
    _with_zeros(upload, [1 << 20, 1 << 20])
    _return(upload, "zeros")


@attack("malformed-archive", "zeros")
def overflowing_tensor(upload: Upload) -> None:
    _with_zeros(upload, [1 << 40, 1 << 40])
    _return(upload, "zeros")


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
    _return(upload, last)


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
    _return(upload, last)


@attack("too-large", "input")
def huge_input(upload: Upload) -> None:
    upload.graph["tensor_values"]["x"]["sizes"][0]["as_expr"]["hint"]["as_int"] = 1 << 40


@attack("malformed-archive", "linear in module 'head'")
def shapes_that_do_not_fit(upload: Upload) -> None:
    upload.set_argument("linear", "weight", **tensor("p_features_0_weight"))


@attack("malformed-archive", "view")
def graph_says_another_result(upload: Upload) -> None:
    upload.graph["tensor_values"]["view"]["sizes"][1] = {"as_int": 95}


def _no_warnings() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")
