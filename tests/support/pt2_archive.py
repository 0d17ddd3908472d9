"""A real archive taken apart, to be changed and put together again."""

import copy
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PARTS = (
    "models/model.json",
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)


@dataclass
class Upload:
    """An archive taken apart."""

    members: dict[str, bytes]
    model: Any
    weights: Any
    constants: Any

    @classmethod
    def read(cls, path: Path) -> "Upload":
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        return cls(members, *(json.loads(members[name]) for name in _PARTS))

    def copy(self) -> "Upload":
        return copy.deepcopy(self)

    def data(self) -> bytes:
        """Return the archive's bytes."""
        parts = (self.model, self.weights, self.constants)
        texts = [json.dumps(part).encode() for part in parts]
        return pack(self.members | dict(zip(_PARTS, texts, strict=True)))

    @property
    def graph(self) -> Any:
        return self.model["graph_module"]["graph"]

    def node(self, name: str) -> Any:
        return next(node for node in self.graph["nodes"] if node.get("name") == name)

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

    def insert(self, index: int, target: str, inputs: dict[str, Any], output: Any) -> None:
        """Put a node before the one at `index`."""
        entries = [{"name": name, "arg": arg, "kind": 1} for name, arg in inputs.items()]
        node = {"target": target, "inputs": entries, "outputs": [output], "metadata": {}}
        self.graph["nodes"].insert(index, node)

    def describe(self, name: str, like: str) -> None:
        """Add a tensor to what the graph describes."""
        self.graph["tensor_values"][name] = copy.deepcopy(self.graph["tensor_values"][like])

    def give_back(self, name: str) -> None:
        """Make a value the network's only output."""
        self.graph["outputs"] = [tensor(name)]
        specs = self.model["graph_module"]["signature"]["output_specs"]
        specs[0]["user_output"]["arg"] = tensor(name)


def tensor(name: str) -> dict[str, Any]:
    return {"as_tensor": {"name": name}}


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), data, method)  # without the time
    return file.getvalue()
