"""The operations of the description, and what each is called in the client."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from service.openapi.shapes import Schema, reference

Answer = Literal["one", "page", "none", "text", "events", "file"]

VERBS = {"get": "retrieve", "change": "update"}
"""What clients of other services call these."""

READING = {"get", "list", "read", "stream"}
"""Verbs that are left out before what is read: `list_layers` is `layers`."""

OTHER: dict[str, Answer] = {"text/event-stream": "events", "application/octet-stream": "file"}
"""The kinds of answers that are neither JSON nor a text."""


@dataclass(frozen=True)
class Operation:
    """A call of the API: `client.<resource>.<name>(…)`."""

    resource: str
    name: str
    verb: str
    path: str
    description: str
    inside: dict[str, Schema]
    """The parameters in the path."""
    query: dict[str, Schema]
    required: frozenset[str]
    """The parameters of the query that have no default."""
    headers: frozenset[str]
    body: Schema | None
    """What is sent in JSON."""
    form: Schema | None
    """What is sent beside a file."""
    is_raw: bool
    """Whether bytes are sent."""
    answer: Answer
    gives: Schema
    """What comes back, or each item of it."""

    @property
    def form_name(self) -> str:
        """The name of the type of its form."""
        return f"{singular(self.resource).capitalize()}Upload"


def operations(described: dict[str, Any]) -> Iterator[Operation]:
    """Yield the operations in the order of the description."""
    schemas = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for verb, operation in methods.items():
            yield _operation(path, verb, operation, schemas)


def singular(noun: str) -> str:
    """Return the singular of a resource's name.

    >>> [singular(noun) for noun in ("analyses", "models", "usage")]
    ['analysis', 'model', 'usage']
    """
    return "analysis" if noun == "analyses" else noun.removesuffix("s")


def method_name(resource: str, operation_id: str) -> str:
    """Return what an operation is called in its resource.

    >>> [method_name("analyses", name) for name in ("get_analysis", "list_layers")]
    ['retrieve', 'layers']
    >>> method_name("trials", "download_trial_artifact"), method_name("server", "livez")
    ('download_artifact', 'livez')
    """
    own = {resource, singular(resource), "of"}
    verb, *rest = [word for word in operation_id.split("_") if word not in own] or ["get"]
    if not rest:
        return VERBS.get(verb, verb)
    return "_".join(rest if verb in READING else [verb, *rest])


def _operation(
    path: str, verb: str, operation: dict[str, Any], schemas: dict[str, Schema]
) -> Operation:
    root, _, rest = path.strip("/").partition("/")
    resource = rest.partition("/")[0] if root == "v1" else "server"
    sent = operation.get("requestBody", {}).get("content", {})
    form = sent.get("multipart/form-data", {}).get("schema")
    answer, gives = _answer(operation["responses"], schemas)
    given = operation.get("parameters", ())
    name = method_name(resource, operation["operationId"])
    if form:
        name = "upload"
    elif answer == "file":
        name = "download"
    return Operation(
        resource=resource,
        name=name,
        verb=verb.upper(),
        path=path,
        description=operation.get("description", ""),
        inside={one["name"]: one["schema"] for one in given if one["in"] == "path"},
        query={
            one["name"]: one["schema"]
            for one in given
            if one["in"] == "query" and one["name"] != "page_token"
        },
        required=frozenset(
            one["name"] for one in given if one["in"] == "query" and one.get("required")
        ),
        headers=frozenset(one["name"].lower() for one in given if one["in"] == "header"),
        body=sent.get("application/json", {}).get("schema"),
        form=form,
        is_raw="application/octet-stream" in sent,
        answer=answer,
        gives=gives,
    )


def _answer(responses: dict[str, Any], schemas: dict[str, Schema]) -> tuple[Answer, Schema]:
    """Return what kind of answer a success is, and the schema of it or of its items."""
    successes = [one.get("content") for status, one in responses.items() if status.startswith("2")]
    content = next(filter(None, successes), None)
    if content is None:
        return "none", {}
    if "application/json" not in content:
        return next((OTHER[media] for media in content if media in OTHER), "text"), {}
    schema = content["application/json"]["schema"]
    named = schemas.get(reference(schema), {}).get("properties", {})
    if "next_page_token" in named:
        return "page", named["items"]["items"]
    return "one", schema
