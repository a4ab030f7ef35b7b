"""OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `otel` is there; else none of it is imported.

A request's span is the API's (`api/http/request_spans.py`), a batch's the worker's
(`worker/reporting/batch_spans.py`), which links to those of its
requests by the `traceparent` that entries carry. What else OTEL_… sets is read by OpenTelemetry itself.
"""

from typing import TYPE_CHECKING

from shared.config.settings import Settings
from shared.errors import SettingError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def open_tracing(settings: Settings, service: str, instance: str) -> "TracerProvider | None":
    """Spans leave in the background; those that its queue has no room for are thrown away. Shut it down at the end.

    None where nobody traces. Raises SettingError where what it takes is not installed.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return None
    try:
        from shared.telemetry.spans import exporting_provider
    except ImportError as error:
        raise SettingError(f"OTEL_EXPORTER_OTLP_ENDPOINT is set, which takes the extra `otel`: {error}") from None
    return exporting_provider(service, instance)
