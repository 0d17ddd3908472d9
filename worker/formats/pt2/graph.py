"""The exported program: from `models/model.json` and the stored tensors to a `Network`."""

import re
from collections.abc import Mapping

from narrows.graph.einsum_products import with_products
from narrows.graph.network import Network
from narrows.graph.node import Input
from narrows.graph.output_tree import Constant, numbers, renumbered
from worker.formats import strict_json
from worker.formats.pt2 import envelope
from worker.formats.pt2.archive import Archive
from worker.formats.pt2.bodies import read_body
from worker.formats.pt2.payloads import Stored, load, read_stored
from worker.formats.pt2.program import MAX_NODES, Program
from worker.formats.pt2.refusals import unsupported
from worker.formats.pt2.tensors import Meta
from worker.formats.strict_json import Value

MAX_TENSORS = 20_000
MAX_ENDS = 1024  # inputs of the network, and outputs
_USER_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,300}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,1000}")
_STORES = {
    "data/weights/model_weights_config.json": ("data/weights", "weight"),
    "data/constants/model_constants_config.json": ("data/constants", "tensor"),
}
_NAME_FIELDS = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
_IGNORED_OUTPUTS = {"buffer_mutation", "user_input_mutation"}  # updates that only training needs


def read_graph(archive: Archive) -> tuple[Network, Mapping[str, Meta]]:
    """Return the network, and the graph's description of each of its values; raise RefusedError."""
    module, nesting = envelope.read_module(archive)
    body = read_body(module["graph"])
    signature = module["signature"].fields("input_specs", "output_specs")

    program = Program(body.metas, body.sizes)
    leaves, parameters, transient, users = _read_inputs(
        body.inputs, signature["input_specs"], program
    )
    for node in body.nodes.items(MAX_NODES):
        program.add(node)
    outputs, leaves_of = _read_outputs(body.outputs, signature["output_specs"], program)
    if nesting is not None:
        if len(list(numbers(nesting))) != len(leaves_of):
            raise module["module_call_graph"].refuse(f"does not nest {len(leaves_of)} outputs")
        nesting = renumbered(nesting, leaves_of)

    stored = _read_stored(archive, leaves, body.metas)
    read = {value.raw for value in leaves.values()}
    parameters += [n for n, tensor in stored.items() if tensor.is_parameter and n not in read]
    tensors, names = load(archive, stored)
    network = Network(
        nodes=program.live_nodes(outputs),
        tensors=tensors,
        leaves={leaf: names[value.raw] for leaf, value in leaves.items()},
        parameters=frozenset(names[name] for name in parameters),
        inputs=tuple(_input(name, value, body.metas[name]) for name, value in users.items()),
        outputs=outputs,
        transient=frozenset(name for name in transient if names[name] == name),
        aliases={name: first for name, first in names.items() if name != first},
        nesting=nesting,
        modules=program.modules,
    )
    return with_products(network), program.metas


def _read_inputs(
    ends: Value, specs: Value, program: Program
) -> tuple[dict[str, Value], list[str], list[str], dict[str, Value]]:
    """Return the leaves, the user names of parameters and of transient tensors, and the inputs.

    Transient tensors are not in a state dict.
    """
    leaves: dict[str, Value] = {}
    parameters: list[str] = []
    transient: list[str] = []
    users: dict[str, Value] = {}
    for end, spec in _pair(ends, specs, MAX_TENSORS):
        kind, content = spec.union()
        name = _tensor_name(end)
        if kind == "user_input":
            _check_same(name, _tensor_name(content.fields("arg")["arg"]))
            users[program.define_input(name)] = end
            continue
        if kind not in _NAME_FIELDS:
            raise unsupported(
                f"{spec.where} is an input of the kind {kind}; Narrows reads tensors."
            )
        field = _NAME_FIELDS[kind]
        fields = content.fields("arg", field, optional=("persistent",))
        _check_same(name, fields["arg"].fields("name")["name"])
        user_name = fields[field].text(_USER_NAME)
        leaves[program.define_input(name, user_name)] = fields[field]
        if kind == "parameter":
            parameters.append(user_name)
        persistent = fields["persistent"].flag() if "persistent" in fields else True
        if kind == "tensor_constant" or not persistent:
            transient.append(user_name)
    if not 1 <= len(users) <= MAX_ENDS:
        raise specs.refuse(f"gives the network {len(users)} inputs, not 1 to {MAX_ENDS}")
    return leaves, parameters, transient, users


def _read_outputs(
    ends: Value, specs: Value, program: Program
) -> tuple[tuple[str, ...], list[int | Constant | None]]:
    """Return the tensors among the outputs, and for each output its number, or what else it is."""
    outputs: list[str] = []
    leaves: list[int | Constant | None] = []
    for end, spec in _pair(ends, specs, MAX_TENSORS):
        kind, content = spec.union()
        if kind in _IGNORED_OUTPUTS:
            continue
        if kind not in ("user_output", "loss_output"):
            raise unsupported(f"{spec.where} is an output of the kind {kind}.")
        argument = content.fields("arg")["arg"]
        if kind == "user_output" and argument.union()[0] in _CONSTANTS:
            leaves.append(_read_constant(argument))
            continue
        name = _tensor_name(end)
        leaves.append(len(outputs))
        _check_same(
            name,
            _tensor_name(argument) if kind == "user_output" else argument.fields("name")["name"],
        )
        outputs.append(program.output(name))
    if not 1 <= len(outputs) <= MAX_ENDS:
        raise specs.refuse(f"gives the network {len(outputs)} outputs, not 1 to {MAX_ENDS}")
    return tuple(outputs), leaves


_CONSTANTS = ("as_none", "as_int", "as_float", "as_bool", "as_string")


def _read_constant(argument: Value) -> Constant | None:
    kind, content = argument.union()
    match kind:
        case "as_int":
            return Constant(content.integer())
        case "as_float":
            return Constant(content.real())
        case "as_bool":
            return Constant(content.flag())
        case "as_string":
            return Constant(content.text(_TEXT))
    content.flag()
    return None


def _pair(ends: Value, specs: Value, limit: int) -> list[tuple[Value, Value]]:
    left, right = ends.items(limit), specs.items(limit)
    if len(left) != len(right):
        raise specs.refuse(f"has {len(right)} entries for {len(left)} tensors of the graph")
    return list(zip(left, right, strict=True))


def _tensor_name(argument: Value) -> Value:
    kind, content = argument.union()
    if kind != "as_tensor":
        raise unsupported(
            f"{argument.where} is an input or output of the kind {kind}; let the network take and "
            "return tensors."
        )
    return content.fields("name")["name"]


def _check_same(name: Value, other: Value) -> None:
    if name.raw != other.raw:
        raise other.refuse(f"is {other.raw!r}, where the graph has {name.raw!r}")


def _read_stored(
    archive: Archive, leaves: Mapping[str, Value], metas: Mapping[str, Meta]
) -> dict[str, Stored]:
    """Return the stored tensors by user name; check that they fit the graph's descriptions.

    The rest of the state dict, which the program does not read, comes last.
    """
    tables: dict[str, Stored] = {}
    for member, (folder, prefix) in _STORES.items():
        config = strict_json.parse(archive.read(member), member).fields("config")["config"]
        for name, entry in config.table(_USER_NAME).items():
            if name in tables:
                raise entry.refuse("is the second tensor of that name")
            tables[name] = read_stored(entry, folder, prefix)
    stored = {}
    for leaf, user_name in leaves.items():
        tensor = tables.get(user_name.raw)
        if tensor is None:
            raise user_name.refuse(f"is {user_name.raw!r}, a tensor that the archive does not hold")
        if (tensor.layout.shape, tensor.layout.dtype) != (metas[leaf].shape, metas[leaf].dtype):
            raise tensor.entry.refuse(f"is not the tensor that the graph describes as {leaf}")
        stored[user_name.raw] = tensor
    weights = (name for name, tensor in tables.items() if tensor.member.startswith("data/weights/"))
    return stored | {name: tables[name] for name in weights if name not in stored}


def _input(name: str, value: Value, meta: Meta) -> Input:
    shape: list[int | str] = []
    for size in meta.sizes:
        dimension = size.symbol if size.expression else size.value
        if dimension is None:
            raise value.refuse(
                f"has a size {size.expression!r}; Narrows reads numbers and plain dynamic sizes"
            )
        shape.append(dimension)
    if meta.dtype is None:
        raise value.refuse("has a number type that Narrows does not read")
    return Input(name, meta.dtype, tuple(shape))
