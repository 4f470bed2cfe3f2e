"""Which checks the hosted models of an environment ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from ..config.dashscope import base_address, dashscope_of, read_key
from ..config.settings import DashScopeSettings, Settings
from ..errors import ComfyClientError
from ..transports.endpoint import Endpoint
from . import places
from .base import Check, fail, skipped
from .models import Hosted, models_of
from .network import Way, host_at
from .senses import Senses

_SUBJECT = "dashscope"


def of_models(
    name: str, settings: Settings, stack: ExitStack, senses: Senses
) -> Iterator[Check]:
    """The checks of key, models and results; one that says why there are none."""
    hosted = dashscope_of(settings, name)
    if hosted is None:
        none = skipped("no [dashscope] is configured: words are the offline ones")
        yield Check("key", _SUBJECT, lambda _: none)
        return
    try:
        base, key = base_address(hosted), read_key(hosted)
    except ComfyClientError as error:
        unreadable = fail(error.message, error.hint)
        yield Check("key", _SUBJECT, lambda _: unreadable)
        return
    environment = settings.environment(name)[1]
    endpoint = Endpoint(name=_SUBJECT, url=base, token=key, token_scheme="Bearer")
    yield Check(
        "region",
        _SUBJECT,
        lambda _: places.of_models(
            base, configured=hosted.region, environment=environment
        ),
    )
    yield from _asked(endpoint, hosted, stack, senses)
    if hosted.picture is not None:
        buckets = partial(
            places.result_buckets, hosts=senses.result_hosts, network=senses.network
        )
        yield Check("result bucket", _SUBJECT, buckets)


def _asked(
    endpoint: Endpoint, settings: DashScopeSettings, stack: ExitStack, senses: Senses
) -> Iterator[Check]:
    host = host_at(endpoint.url)
    steps = Way(host, network=senses.network, clock=senses.clock).checks(_SUBJECT)
    yield from steps
    hosted = Hosted(endpoint, settings, clock=senses.clock)
    stack.callback(hosted.close)
    key = f"key:{_SUBJECT}"
    yield Check("key", _SUBJECT, hosted.key, needs=(steps[-1].key,))
    yield Check("clock", _SUBJECT, hosted.clock, needs=(key,))
    for model in models_of(settings):
        subject = f"{_SUBJECT}.{model.role}"
        known = Check("model", subject, partial(hosted.known, model=model))
        yield known
        yield Check(
            "model answers",
            subject,
            partial(hosted.answers, model=model),
            needs=(key, known.key),
        )
