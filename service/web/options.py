"""The options of an analysis as the texts of a form, and back."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import ValidationError

from narrows.vocabulary import (
    COST_KINDS,
    LOSS_NAMES,
    METHODS,
    PLANS,
    PRUNED,
    RULES,
    Curvature,
    GateKind,
    Init,
)
from service.analyses.request import AnalysisRequest
from service.http.problems import InvalidError
from service.web.forms import Fields, FormError, lines, number, text
from service.web.naming import metadata_of, tags_of

OWN_PLAN: Final = "mine"
"""The name of the plan of one's own, if the form has its factors."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "method": METHODS,
    "loss": LOSS_NAMES,
    "rule": RULES,
    "gate": get_args(GateKind),
    "cost": COST_KINDS,
    "curvature": get_args(Curvature),
    "init": get_args(Init),
    "plans": PLANS,
    "build": (*PLANS, PRUNED),
}
_NUMBERS: Final[Mapping[str, Callable[[str], float]]] = {
    "pruning_ratio": float,
    "max_samples": int,
    "batch_size": int,
    "blocks": int,
    "seed": int,
    "time_limit_seconds": int,
}
_TEXTS: Final = ("model_id", "dataset_id", "method", "loss", "rule", "gate", "cost", "curvature",
                 "init")  # fmt: skip
_ON_FORM: Final = {*_TEXTS, *_NUMBERS, "plans", "build", "exclude", "name", "tags", "metadata"}


def fields_of(request: Mapping[str, Any]) -> Fields:
    """Return the fields of a form that asks for the same, with what is `carried`."""
    fields = {
        name: [str(request[name])] for name in (*_TEXTS, *_NUMBERS) if request.get(name) is not None
    }
    plans = request.get("plans", [])
    fields["plans"] = [plan for plan in plans if isinstance(plan, str)]
    fields["build"] = list(request.get("build", []))
    fields["exclude"] = ["\n".join(request.get("exclude", []))]
    for plan in _own(request)[-1:]:
        fields["own_plan"] = [plan["name"]]
        fields["factors"] = ["\n".join(f"{k} {v}" for k, v in plan["factors"].items())]
    return fields


def carried(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form has no fields for, of the request that it asks again.

    These are options, and the plans of one's own but the last.
    """
    missing = AnalysisRequest.model_fields.keys() - _ON_FORM
    options = {name: source[name] for name in sorted(missing) if source.get(name) is not None}
    others = _own(source)[:-1]
    return options | ({"plans": others} if others else {})


def _own(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [plan for plan in request.get("plans", []) if not isinstance(plan, str)]


def request_of(fields: Fields, source: Mapping[str, Any] = MappingProxyType({})) -> AnalysisRequest:
    """Return the request that a form asks for, and with it `source` again; raise InvalidError."""
    document: dict[str, Any] = {name: fields[name][0] for name in _TEXTS if name in fields}
    document |= carried(source)
    for name, read in _NUMBERS.items():
        if name in fields:
            document[name] = number(read, fields[name][0])
    document["plans"] = [*fields.get("plans", []), *document.get("plans", [])]
    if own := _factors(fields):
        document["plans"].append({"name": text(fields, "own_plan") or OWN_PLAN, "factors": own})
    document |= {"name": text(fields, "name").strip() or None, "tags": tags_of(fields)}
    document |= {"metadata": metadata_of(fields), "build": fields.get("build", [])}
    document["exclude"] = lines(fields, "exclude")
    try:
        return AnalysisRequest.model_validate(document)
    except ValidationError as error:
        raise FormError.of(error) from None


def _factors(fields: Fields) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for name, factor in map(_factor, lines(fields, "factors")):
        if name in found:
            raise InvalidError(["factors"], f"The layer {name} is there twice.")
        found[name] = factor
    return found


def _factor(line: str) -> tuple[str, float | str]:
    name, space, factor = line.rpartition(" ")
    return (name.strip(), number(float, factor)) if space else (line, "")


DEFAULTS: Final = fields_of(
    AnalysisRequest(model_id="-", dataset_id="-").model_dump(
        mode="json", exclude={"model_id", "dataset_id", "method", "rule"}
    )
)
"""The fields at first; the method and the rule follow from the rest."""
