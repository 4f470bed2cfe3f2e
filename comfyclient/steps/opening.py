"""From the configuration to hosted models: whose key, which address, whose SDK."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..config.dashscope import base_address, read_key
from ..config.settings import DashScopeSettings
from ..errors import MissingExtraError
from ..timing import SYSTEM_CLOCK, Clock
from .answers import Answers
from .calls import ModelService
from .hosted_models import HostedModels, results_folder


def open_models(
    settings: DashScopeSettings,
    answers: Answers,
    *,
    environment: str,
    cache: Path | None,
    clock: Clock = SYSTEM_CLOCK,
) -> HostedModels:
    """The models of an environment; nothing is connected until one is needed."""
    return HostedModels(
        settings,
        connect=partial(connect_dashscope, settings, clock=clock),
        answers=answers,
        environment=environment,
        results=results_folder(cache),
        clock=clock,
    )


def connect_dashscope(
    settings: DashScopeSettings, *, clock: Clock = SYSTEM_CLOCK
) -> ModelService:
    """The hosted models of a configuration; nothing is sent.

    Raises:
        ConfigError: there is no key, or no address is known.
        MissingExtraError: the dashscope SDK is not installed.
    """
    key, address = read_key(settings), base_address(settings)
    try:
        from .sdk import DashScope  # its import takes half a second
    except ImportError as error:
        raise MissingExtraError(
            f"hosted models need {error.name}, which is not installed",
            hint="pip install 'comfyclient[dashscope]'",
        ) from error
    return DashScope(
        address,
        key,
        workspace=settings.workspace,
        silence_s=max(settings.request_s, settings.task_s),
        clock=clock,
    )
