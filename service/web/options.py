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
from service.http.problems import InvalidError
from service.plain_errors import explain
from service.web.forms import Fields
from service.web.naming import tags_of

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


class WrongError(InvalidError):
    """What is wrong with the fields of a form, by their names."""

    def __init__(self, by_field: dict[str, str]) -> None:
        name, detail = next(iter(by_field.items()))
        super().__init__([name], detail)
        self.by_field = by_field


def fields_of(request: Mapping[str, Any]) -> Fields:
    """Return the fields of a form that asks for the same; of plans of one's own, the last."""
    fields = {
        name: [str(request[name])] for name in (*_TEXTS, *_NUMBERS) if request.get(name) is not None
    }
    plans = request.get("plans", [])
    fields["plans"] = [plan for plan in plans if isinstance(plan, str)]
    fields["build"] = list(request.get("build", []))
    fields["tags"] = [", ".join(request.get("tags", []))]
    fields["exclude"] = ["\n".join(request.get("exclude", []))]
    for plan in plans:
        if not isinstance(plan, str):
            fields["factors"] = ["\n".join(f"{k} {v:g}" for k, v in plan["factors"].items())]
    return fields


def request_of(fields: Fields) -> AnalysisRequest:
    """Return the request that a form asks for; raise WrongError."""
    document: dict[str, Any] = {name: fields[name][0] for name in _TEXTS if name in fields}
    for name, read in _NUMBERS.items():
        if name in fields:
            document[name] = number(read, fields[name][0])
    document["plans"] = [*fields.get("plans", [])]
    if own := factors_of(fields):
        document["plans"].append({"name": OWN_PLAN, "factors": own})
    document |= {"name": fields.get("name", [None])[0], "tags": tags_of(fields)}
    document |= {"build": fields.get("build", []), "exclude": _lines(fields, "exclude")}
    try:
        return AnalysisRequest.model_validate(document)
    except ValidationError as error:
        raise WrongError(
            {
                "factors" if "factors" in e["loc"] else str(e["loc"][0]): _sentence(e)
                for e in error.errors()
            }
        ) from None


def factors_of(fields: Fields) -> dict[str, float | str]:
    """Return the factors of a form, by the layer of each line."""
    return dict(map(_factor, _lines(fields, "factors")))


def number(read: Callable[[str], float], text: str) -> float | str:
    """Return a number, or the text that is none, so that the request says what is wrong."""
    try:
        return read(text.strip())
    except ValueError:
        return text


def _factor(line: str) -> tuple[str, float | str]:
    name, _, factor = line.rpartition(" ")
    return name.strip(), number(float, factor)


def _lines(fields: Fields, name: str) -> list[str]:
    lines = (line.strip() for line in fields.get(name, [""])[0].splitlines())
    return [line for line in lines if line]


def _sentence(error: Any) -> str:
    """Return what is wrong, with the name of the layer whose factor it is."""
    place = error["loc"][error["loc"].index("factors") + 1 :] if "factors" in error["loc"] else ()
    return ": ".join([*map(str, place[:1]), explain(error)])


DEFAULTS: Final = fields_of(
    AnalysisRequest(model_id="-", dataset_id="-").model_dump(
        mode="json", exclude={"model_id", "dataset_id", "method", "rule"}
    )
)
"""The fields at first; the method and the rule follow from the rest."""
