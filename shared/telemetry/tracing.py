"""OpenTelemetry traces. The library is only imported if OTEL_EXPORTER_OTLP_ENDPOINT is set.

The API makes a span per request (`api/http/request_spans.py`). A worker makes a span per batch
(`worker/reporting/batch_spans.py`), and links it to its requests by the `traceparent` in the entries.
OpenTelemetry itself reads the other variables named OTEL_….
"""

from typing import TYPE_CHECKING

from shared.config.settings import Settings
from shared.errors import SettingError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def open_tracing(settings: Settings, service: str, instance: str) -> "TracerProvider | None":
    """Return a provider that exports spans in the background, or None without an endpoint. The caller shuts it down.

    The provider drops spans if its queue is full. Raises SettingError if the extra `otel` is not installed.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return None
    try:
        from shared.telemetry.spans import exporting_provider
    except ImportError as error:
        raise SettingError(f"OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `otel`: {error}") from None
    return exporting_provider(service, instance)
