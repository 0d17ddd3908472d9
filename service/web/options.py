"""The options of an analysis as the texts of a form, and back."""

from collections.abc import Callable, Mapping
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
    "build": (*PLANS, OWN_PLAN, PRUNED),
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


def fields_of(request: Mapping[str, Any]) -> Fields:
    """Return the fields of a form that asks for the same; of plans of one's own, the last."""
    fields = {
        name: [str(request[name])] for name in (*_TEXTS, *_NUMBERS) if request.get(name) is not None
    }
    plans = request.get("plans", [])
    fields["plans"] = [plan for plan in plans if isinstance(plan, str)]
    fields["build"] = list(request.get("build", []))
    fields["exclude"] = ["\n".join(request.get("exclude", []))]
    for plan in plans:
        if not isinstance(plan, str):
            fields["factors"] = ["\n".join(f"{k} {v:g}" for k, v in plan["factors"].items())]
    return fields


def request_of(fields: Fields) -> AnalysisRequest:
    """Return the request that a form asks for; raise InvalidError."""
    document: dict[str, Any] = {name: fields[name][0] for name in _TEXTS if name in fields}
    for name, read in _NUMBERS.items():
        if name in fields:
            document[name] = number(read, fields[name][0])
    document["plans"] = [*fields.get("plans", [])]
    if own := dict(map(_factor, lines(fields, "factors"))):
        document["plans"].append({"name": OWN_PLAN, "factors": own})
    document |= {"name": text(fields, "name").strip() or None, "tags": tags_of(fields)}
    document |= {"metadata": metadata_of(fields), "build": fields.get("build", [])}
    document["exclude"] = lines(fields, "exclude")
    try:
        return AnalysisRequest.model_validate(document)
    except ValidationError as error:
        raise FormError.of(error) from None


def _factor(line: str) -> tuple[str, float | str]:
    name, space, factor = line.rpartition(" ")
    return (name.strip(), number(float, factor)) if space else (line, "")


DEFAULTS: Final = fields_of(
    AnalysisRequest(model_id="-", dataset_id="-").model_dump(
        mode="json", exclude={"model_id", "dataset_id", "method", "rule"}
    )
)
"""The fields at first; the method and the rule follow from the rest."""
