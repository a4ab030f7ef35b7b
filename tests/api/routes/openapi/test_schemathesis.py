"""Generated requests, valid and invalid ones, get responses that match the OpenAPI description."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import ROUTES
from api.routes.openapi.document import make_document
from api.routes.openapi.parameters import IMAGE_TYPES, NDJSON, UPLOAD_TYPES
from tests.support.system import System
from tests.support.thoroughness import WIDE, examples

# About 30 requests per operation with every boundary of every parameter: only `make test-all` sends them.
BOUNDARIES = SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": WIDE}}})
DESCRIPTION = schemathesis.openapi.from_dict(make_document(ROUTES), config=BOUNDARIES)
REAL = {"name": "cnn", "version": "1", "label": "latest", "asset": "start.js"}
KNOWN_TYPES = {"multipart/form-data", "application/octet-stream"}  # to schemathesis itself
TIMED_OUT = 504  # a legitimate response to `timeout_s=1e-9`
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

RAW_TYPES = [one for one in (*IMAGE_TYPES, *UPLOAD_TYPES, NDJSON) if one not in KNOWN_TYPES]

pytestmark = pytest.mark.slow


@schemathesis.serializer(*RAW_TYPES)
def as_it_is(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Serialize a generated value as its text, to test the service's reaction."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@DESCRIPTION.parametrize()
@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
def test_an_operation_answers_as_described(case: Any, system: System) -> None:
    if len(case.path_parameters.get("name", "")) % 2:  # use existing names in half of the requests
        case.path_parameters |= {name: value for name, value in REAL.items() if name in case.path_parameters}
    if case.path == "/mnist/classify/bulk" and isinstance(case.body, dict):
        case.body.setdefault("stop", 100)  # to fit all 10,000 images of the test set takes a minute and more
    reply = case.call(base_url=system.url, timeout=60)
    checks = CHECKS[1:] if reply.status_code == TIMED_OUT else CHECKS
    case.validate_response(reply, checks=checks)
    if reply.status_code == 202:
        system.http.delete(reply.headers["location"][0])
