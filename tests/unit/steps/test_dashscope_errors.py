"""Every documented code of DashScope becomes the class that says what to do."""

from __future__ import annotations

import pytest

from comfyclient import errors
from comfyclient.errors import Retry
from comfyclient.steps.refusals import CODES, model_error
from comfyclient.testing.dashscope_play import STATUS

MEANT = {
    "InvalidParameter": errors.ModelRequestError,
    "Arrearage": errors.ModelArrearsError,
    "DataInspectionFailed": errors.ModelInspectionError,
    "IPInfringementSuspect": errors.ModelInspectionError,
    "UnsupportedOperation": errors.ModelRequestError,
    "InvalidApiKey": errors.ModelAccessError,
    "AccessDenied": errors.ModelAccessError,
    "AccessDenied.Unpurchased": errors.ModelAccessError,
    "Model.AccessDenied": errors.ModelAccessError,
    "AllocationQuota.FreeTierOnly": errors.ModelQuotaError,
    "ModelNotFound": errors.ModelGoneError,
    "Throttling": errors.ModelThrottledError,
    "Throttling.RateQuota": errors.ModelThrottledError,
    "Throttling.BurstRate": errors.ModelThrottledError,
    "Throttling.AllocationQuota": errors.ModelQuotaError,
    "PrepaidBillOverdue": errors.ModelArrearsError,
    "InternalError": errors.ModelFaultError,
    "InternalError.Algo": errors.ModelFaultError,
    "InternalError.Timeout": errors.ModelFaultError,
    "RequestTimeOut": errors.ModelFaultError,
    "ModelUnavailable": errors.ModelFaultError,
    "ModelServingError": errors.ModelFaultError,
}
AGAIN = {errors.ModelThrottledError, errors.ModelFaultError}


def test_no_documented_code_is_missing() -> None:
    """The table of this file, the stand-in's and the client's know the same ones."""
    assert set(MEANT) == set(STATUS)
    assert set(CODES) <= {*STATUS, "insufficient_quota"}


@pytest.mark.parametrize("code", MEANT)
def test_a_code(code: str) -> None:
    """It names model, code and request, and whether trying again may help."""
    error = model_error(
        code, "words", status=STATUS[code], model="qwen3.6-plus", request_id="r-1"
    )

    assert type(error) is MEANT[code]
    assert error.retryable is (type(error) in AGAIN)
    assert (error.code, error.request_id) == (code, "r-1")
    assert f"{code}: words (model qwen3.6-plus, request r-1)" in str(error)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InternalError.Something.New", 500, errors.ModelFaultError),
        ("Unknown", 502, errors.ModelFaultError),
        ("Unknown", 404, errors.ModelGoneError),
        ("NewCode", 400, errors.ModelRequestError),
        ("NewCode", 401, errors.ModelAccessError),
        ("NewCode", 403, errors.ModelAccessError),
        ("NewCode", 429, errors.ModelThrottledError),
        ("", 503, errors.ModelFaultError),
        ("DataInspectionFailed", 200, errors.ModelInspectionError),
    ],
)
def test_a_code_that_is_not_documented(
    code: str, status: int, kind: type[errors.ModelError]
) -> None:
    """Its beginning says what it means, else its status."""
    error = model_error(code, "", status=status, model="m")

    assert type(error) is kind
    assert error.message


def test_the_services_words_are_cut_and_cleaned() -> None:
    """A page of HTML, keys and signed addresses do not get into messages."""
    page = "<html><h1>Bad\x1b Gateway</h1>" + "x" * 9000
    secret = "key sk-0123456789abcdef at https://a.b/c?Signature=abc"

    long = model_error("Unknown", page, status=502, model="m")
    told = model_error("InvalidParameter", secret, status=400, model="m")

    assert long.message.startswith("Unknown: Bad Gateway x")
    assert len(long.message) < 250
    assert "sk-0123" not in told.message
    assert "Signature" not in told.message
    assert errors.ModelThrottledError.retry is Retry.HERE
