"""The resources of the client: a class for each, with a method for each operation."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from service.openapi.formatting import docstring
from service.openapi.operations import Operation, operations
from service.openapi.shapes import WORDS, Schema, class_name, python_type, reference

HEAD = f'''"""The resources of the API, with a method for each operation of `openapi.json`.

Written by `python -m service.openapi`; don't edit.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Unpack

from narrows.client import types
from narrows.client.asynchronous.bound import AsyncAnalysis, AsyncTrial
from narrows.client.asynchronous.files import AsyncFiles
from narrows.client.asynchronous.jobs import AsyncJobs
from narrows.client.asynchronous.pages import AsyncPages
from narrows.client.asynchronous.resource import AsyncApi, AsyncResource
from narrows.client.api_object import either
from narrows.client.requests import path_of
from narrows.client.sse import Event
from narrows.client.transfer import OnRead
from narrows.vocabulary import {", ".join(sorted(WORDS.values()))}

'''


def module(described: dict[str, Any]) -> str:
    """Return the module of all resources."""
    calls = sorted(operations(described), key=lambda call: call.resource)
    by_resource = {name: list(group) for name, group in groupby(calls, lambda call: call.resource)}
    jobs = {class_name(reference(call.gives)) for call in calls if _is_of_job(call)}
    classes = [_class(name, group, jobs) for name, group in by_resource.items()]
    lines = [f"        self.{name} = Async{_title(name)}(self)\n" for name in by_resource]
    everything = (
        'class AsyncResources(AsyncApi):\n    """All resources."""\n\n'
        f"    def __init__(self) -> None:\n{''.join(lines)}"
    )
    return HEAD + "\n\n".join([*classes, everything])


def _is_of_job(call: Operation) -> bool:
    """Return whether it returns a job, for whose end one may wait."""
    return "prefer" in call.headers


def _title(resource: str) -> str:
    return resource.title().replace("_", "")


def _class(resource: str, calls: Sequence[Operation], jobs: set[str]) -> str:
    base, attributes = "AsyncResource", ""
    for call in calls:
        if call.form or _is_of_job(call):
            kind = _kind(call.gives, jobs)
            base = f"{'AsyncFiles' if call.form else 'AsyncJobs'}[{kind}]"
            attributes = f'    _resource, _kind = "{resource}", {kind}\n\n'
            break
    head = f'class Async{_title(resource)}({base}):\n    """{_title(resource)}."""\n\n{attributes}'
    return head + "\n".join(_method(call, jobs) for call in calls)


def _kind(schema: Schema, jobs: set[str]) -> str:
    """Return the class of what comes back, as an expression and a type."""
    name = class_name(reference(schema))
    if several := schema.get("anyOf"):
        return " | ".join(_kind(one, jobs) for one in several)
    return f"Async{name}" if name in jobs else f"types.{name}"


def _method(call: Operation, jobs: set[str]) -> str:
    kind = _kind(call.gives, jobs) if call.gives else ""
    given = ", ".join(["self", *_arguments(call)])
    path = f'"{call.path}"'
    for name in call.inside:
        path = path.replace(f"{{{name}}}", "{}")
    if call.inside:
        path = f"path_of({path}, {', '.join(call.inside)})"
    file = [*call.inside][-1:]
    query = "{" + ", ".join(f'"{name}": {name}' for name in call.query) + "}"
    sent = [f'"{call.verb}"', path]
    sent += [f"query={query}"] * bool(call.query)
    sent += ["body=request"] * bool(call.body)
    sent += ["content=content"] * call.is_raw
    make = "_new" if "idempotency-key" in call.headers else "_one"
    shape = f"either({kind.replace(' | ', ', ')})" if " | " in kind else kind
    result, body = {
        "page": (f"AsyncPages[{kind}]", f"self._pages({shape}, {path}, {query})"),
        "one": (kind, f"await self.{make}({', '.join([shape, *sent])})"),
        "none": ("None", f"await self._none({', '.join(sent)})"),
        "text": ("str", f"await self._text({path}, {query})"),
        "events": ("AsyncIterator[Event]", f"self._events({path})"),
        "file": ("Path", f"await self._download({', '.join([path, *file])}, path, on_read)"),
    }[call.answer]
    if call.form:
        body = "await self._upload(path, on_read, fields)"
    coroutine = "async " if body.startswith("await") else ""
    ended = "" if result == "None" else "return "
    return (
        f"    {coroutine}def {call.name}({given}) -> {result}:\n"
        f"{docstring(call.description, 8)}        {ended}{body}\n"
    )


def _arguments(call: Operation) -> list[str]:
    """Return the parameters of the method, with their types."""
    given = [f"{name}: {_sent_type(schema)}" for name, schema in call.inside.items()]
    given += ["path: str | Path", "on_read: OnRead | None = None"] * (
        bool(call.form) or call.answer == "file"
    )
    given += ["content: bytes"] * call.is_raw
    given += ["/"] * bool(call.inside and call.body)
    optional = {name: call.query[name] for name in call.query if name not in call.required}
    given += [f"{name}: {_sent_type(call.query[name])}" for name in sorted(call.required)]
    given += ["*"] * bool(optional)
    given += [f"{name}: {_sent_type(schema)} | None = None" for name, schema in optional.items()]
    if call.body:
        given.append(f"**request: Unpack[types.{class_name(reference(call.body))}]")
    if call.form:
        given.append(f"**fields: Unpack[types.{call.form_name}]")
    return given


def _sent_type(schema: Schema) -> str:
    """Return the type of a parameter; `list` is a method where it stands."""
    return python_type(schema).removesuffix(" | None").replace("list[", "Sequence[")
