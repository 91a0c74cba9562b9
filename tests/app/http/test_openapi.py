"""The OpenAPI page is true: whatever it allows is answered without a fault of ours, in the shape that it says."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.app.http.conftest import Served

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
# Streams have no end of their own, and pictures take seconds each: their routes have tests of their own.
SLOW = ("/events", "txt2img", "img2img", "/v1/images/", "/api/jobs/{job}/resume")


@pytest.fixture(scope="module")
def description(served: Served) -> Any:
    return schemathesis.openapi.from_url(f"{served.address}/openapi.json")


def test_the_page_is_valid(description: Any) -> None:
    description.validate()


@pytest.mark.long
def test_nothing_that_the_page_allows_is_our_fault(description: Any, served: Served) -> None:
    wishes = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    tried = 0
    for found in description.get_all_operations():
        operation = found.ok()
        if any(part in operation.path for part in SLOW):
            continue
        _try(operation, served, wishes)
        tried += 1
    assert tried >= 30


def _try(operation: Any, served: Served, wishes: Any) -> None:
    from hypothesis import given

    @wishes
    @given(case=operation.as_strategy())
    def each(case: Any) -> None:
        small(case)
        answer = case.call(base_url=served.address)
        case.validate_response(answer, checks=CHECKS)

    each()


def small(case: Any) -> None:
    """Jobs that are valid by chance must not keep the computer busy."""
    if (
        case.operation.path == "/api/jobs"
        and isinstance(case.body, dict)
        and isinstance(case.body.get("request"), dict)
    ):
        case.body["request"] |= {"steps": 1, "width": 64, "height": 64, "count": 1}
