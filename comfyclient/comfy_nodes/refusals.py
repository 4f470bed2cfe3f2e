"""What DashScope refuses, with the remedy of each of its codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .account import ADDRESS_VARIABLE, KEY_VARIABLE

_AGAIN = ("Throttling.RateQuota", "Throttling.BurstRate", "InternalError")
_ALSO_AGAIN = {"Throttling", "ModelUnavailable", "ModelServingError"}

_REMEDIES: Mapping[str, str] = {
    "InvalidApiKey": f"check {KEY_VARIABLE} of the ComfyUI server; keys belong to one "
    f"region, that of {ADDRESS_VARIABLE}",
    "Arrearage": "the account has a debt: pay it",
    "PrepaidBillOverdue": "the account has a debt: pay it",
    "DataInspectionFailed": "the service's inspection refused the text or the picture: "
    "change it",
    "IPInfringementSuspect": "the prompt may touch somebody's rights: change it",
    "AccessDenied.Unpurchased": "activate Model Studio for the account",
    "AccessDenied": "the account may not use this model so: check its permissions",
    "Model.AccessDenied": "the account may not use this model: choose another",
    "AllocationQuota.FreeTierOnly": "the free quota is used up: switch to paid use",
    "Throttling.AllocationQuota": "the account's quota is used up: raise it",
    "Throttling": "too many requests: try later, or ask for a higher limit",
    "ModelNotFound": "choose a model that this region has",
    "InvalidParameter": "change the input that is named",
    "InternalError": "the service failed: try again later",
    "ModelUnavailable": "the model is overloaded: try again later",
    "ModelServingError": "the model is overloaded: try again later",
    "RequestTimeOut": "the service took too long: ask for less, or try again later",
}


class DashScopeError(RuntimeError):
    """DashScope did not do what a node asked for; says why and what to do."""

    def __init__(self, message: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


def refused(
    code: str, message: Any, *, request_id: str = "", key: str = ""
) -> DashScopeError:
    """The error for a code of the service, with what helps against it."""
    said = " ".join(message.split()) if isinstance(message, str) else ""
    if key:  # before it is cut, or half of it would be left
        said, code = said.replace(key, "…"), code.replace(key, "…")
    said = said[:300]
    remedy = _remedy(code)
    asked = f" (request {request_id})" if request_id else ""
    return DashScopeError(
        f"DashScope refused: {code}{': ' if said else ''}{said}{asked}; {remedy}",
        code=code,
        request_id=request_id,
    )


def _remedy(code: str) -> str:
    while code and code not in _REMEDIES:
        code = code.rpartition(".")[0]
    return _REMEDIES.get(code, "look the code up in Model Studio's list of errors")


def may_repeat(code: str) -> bool:
    """Whether a refusal may pass by itself."""
    return code in _ALSO_AGAIN or code.startswith(_AGAIN)
