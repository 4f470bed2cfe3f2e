"""Why there is no websocket, in words that hold no secret."""

from __future__ import annotations

import pytest
from websocket import WebSocketBadStatusException, WebSocketTimeoutException

from comfyclient.transports.dialling import is_refusal, why


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (WebSocketBadStatusException("page", 502), "answered 502"),
        (WebSocketTimeoutException("x"), "no sign of life"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ValueError("http://h/?token=s3cr3t"), "ValueError"),
    ],
)
def test_reasons_quote_no_address(error: Exception, text: str) -> None:
    """A reason is told in words, never by quoting an address or a page."""
    assert text in why(error)
    assert "s3cr3t" not in why(error)


@pytest.mark.parametrize(
    ("status", "refused"), [(404, True), (403, True), (502, False)]
)
def test_a_gateway_that_starts_is_no_refusal(status: int, refused: bool) -> None:
    """A 4xx means that no websocket passes; a 5xx may pass soon."""
    assert is_refusal(WebSocketBadStatusException("x", status)) is refused
