"""One operation of the HTTP interface, and its conversion to OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.errors import RequestError

Schema = dict[str, Any]
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter. A value that does not match `schema` is a 422."""

    name: str
    schema: Schema
    doc: str
    place: Literal["query", "header"] = "query"


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a body with one media type."""

    media_type: str
    schema: Schema
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method of a path. `errors` are those that a client can get, except 401 and 404, which are always possible.

    `refused` are query parameters of other operations, for which the route has an error of its own.
    `also` lists further responses without a body. With `plain_errors`, errors are `{"error": "…"}` and not problem
    details.
    """

    summary: str
    tag: str
    status: int = 200
    content: Sequence[Content] = ()
    body: Sequence[Content] = ()
    parameters: Sequence[Parameter] = ()
    refused: Sequence[str] = ()
    headers: Mapping[str, str] | None = None
    also: Mapping[int, str] | None = None
    errors: Sequence[type[RequestError]] = ()
    plain_errors: bool = False
    open: bool = False


def to_openapi(operation: Operation, path_parameters: Sequence[Parameter], operation_id: str) -> dict[str, Any]:
    """Return the operation object."""
    described: dict[str, Any] = {
        "operationId": operation_id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [
            {"name": path.name, "in": "path", "required": True, "schema": path.schema, "description": path.doc}
            for path in path_parameters
        ]
        + [
            {"name": parameter.name, "in": parameter.place, "schema": parameter.schema, "description": parameter.doc}
            for parameter in operation.parameters
        ],
        "responses": {str(operation.status): _success(operation)}
        | {str(status): {"description": doc} for status, doc in (operation.also or {}).items()}
        | _errors(operation),
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": _contents(operation.body)}
    if operation.open:
        described["security"] = []
    return described


def _success(operation: Operation) -> dict[str, Any]:
    response: dict[str, Any] = {"description": operation.summary}
    if operation.content:
        response["content"] = _contents(operation.content)
    if operation.headers:
        response["headers"] = {
            name: {"description": doc, "schema": {"type": "string"}} for name, doc in operation.headers.items()
        }
    return response


def _contents(contents: Sequence[Content]) -> dict[str, Any]:
    return {
        content.media_type: {"schema": content.schema} | ({"example": content.example} if content.example else {})
        for content in contents
    }


def _errors(operation: Operation) -> dict[str, Any]:
    """Return the error responses by status. Errors of the same status share one response."""
    titles: dict[int, list[str]] = {}
    for error in operation.errors:
        status = 400 if operation.plain_errors and error.status in (415, 422) else error.status
        titles.setdefault(status, []).append(error.title)
    return {
        str(status): {"description": "; ".join(dict.fromkeys(names)), "content": _error_content(operation)}
        for status, names in sorted(titles.items())
    }


def _error_content(operation: Operation) -> dict[str, Any]:
    if operation.plain_errors:
        return {"application/json": {"schema": {"$ref": "#/components/schemas/PlainError"}}}
    return {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
