"""The data around the graph: versions, guards, module signatures. Checked, but mostly not used."""

import re

from narrows.graph.output_tree import Nesting
from worker.formats import strict_json
from worker.formats.pt2 import tripwires
from worker.formats.pt2.archive import Archive
from worker.formats.pt2.refusals import EXPORT_AGAIN, archive_version
from worker.formats.pt2.treespec import Fields, read_fields, read_treespec
from worker.formats.refusals import malformed, quoted
from worker.formats.strict_json import Value

SCHEMA = 8  # the major version of torch's export schema, since torch 2.5
MEMBERS = re.compile(
    r"data/weights/(?:weight_\d{1,6}|model_weights_config\.json)|"
    r"data/constants/(?:tensor_\d{1,6}|model_constants_config\.json)|"
    r"data/sample_inputs/model\.pt|models/model\.json|"
    r"archive_format|archive_version|byteorder|\.data/(?:version|serialization_id)",
    re.ASCII,
)
"""The members of an archive with one plain model."""

_MAX_SAMPLE = 256 << 20
_FREE_TEXT = re.compile(r".*", re.DOTALL)
_SYMBOL = re.compile(r"[suz]\w{1,12}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w{0,255}", re.ASCII)
_MODULE = re.compile(r"[^\x00-\x1f\x7f]{0,300}")


def read_module(archive: Archive) -> tuple[dict[str, Value], Nesting]:
    """Check all that is around the graph module; return it, and how its outputs are nested.

    Raises RefusedError: archive-version for another version of torch, unsafe-archive for data that
    torch would evaluate or import, malformed-archive.
    """
    _check_versions(archive)
    if "data/sample_inputs/model.pt" in archive.names:
        tripwires.check_sample_inputs(archive.read("data/sample_inputs/model.pt", _MAX_SAMPLE))
    model = strict_json.parse(archive.read("models/model.json"), "models/model.json")
    fields = _check_schema(model).fields(
        "graph_module", "opset_version", "range_constraints", "schema_version",
        optional=("verifiers", "torch_version", "guards_code"),
    )  # fmt: skip
    fields["opset_version"].fields("aten")["aten"].integer(0, 1000)
    if "guards_code" in fields:
        for guard in fields["guards_code"].items(4096):
            tripwires.check_guard(guard)
    for bounds in fields["range_constraints"].table(_SYMBOL).values():
        for bound in bounds.fields("min_val", "max_val").values():
            if bound.raw is not None:
                bound.integer()
    module = fields["graph_module"].fields(
        "graph", "signature", "module_call_graph",
        optional=("metadata", "treespec_namedtuple_fields"),
    )  # fmt: skip
    named = module.get("treespec_namedtuple_fields")
    names = {} if named is None else read_fields(named)
    nestings = [_read_call(call, names) for call in module["module_call_graph"].items(20_000)]
    return module, nestings[0] if nestings else None


def _check_versions(archive: Archive) -> None:
    form, version = archive.read("archive_format", 64), archive.read("archive_version", 64)
    if form != b"pt2":
        raise archive_version(
            f"The archive's format is {quoted(form)}; Narrows reads 'pt2'. {EXPORT_AGAIN}"
        )
    if version.strip() != b"0":
        raise archive_version(
            f"The archive's version is {quoted(version)}; Narrows reads 0. {EXPORT_AGAIN}"
        )
    if "byteorder" in archive.names and archive.read("byteorder", 64) != b"little":
        raise malformed("The archive's member 'byteorder' is not 'little'.")


def _check_schema(model: Value) -> Value:
    version = model.table(_FREE_TEXT).get("schema_version")
    if version is None:
        raise model.refuse("lacks schema_version")
    numbers = version.fields("major", "minor")
    major, minor = numbers["major"].integer(), numbers["minor"].integer()
    if major != SCHEMA:
        raise archive_version(
            f"The archive has the schema {major}.{minor}; Narrows reads {SCHEMA}.x. {EXPORT_AGAIN}"
        )
    return model


def _read_call(call: Value, fields_of: Fields) -> Nesting:
    """Check the call of a module (the first is the network); return its outputs' nesting."""
    fields = call.fields("fqn", "signature")
    fields["fqn"].text(_MODULE)
    if fields["signature"].raw is None:
        return None
    signature = fields["signature"].fields(
        "inputs", "outputs", "in_spec", "out_spec", optional=("forward_arg_names",)
    )
    read_treespec(signature["in_spec"], fields_of)
    names = signature.get("forward_arg_names")
    if names is not None and names.raw is not None:
        for name in names.items(256):
            name.text(_NAME)
    return read_treespec(signature["out_spec"], fields_of)
