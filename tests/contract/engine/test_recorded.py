"""The engine holds the same conversations that real ComfyUI servers were heard in.

Each recorded scenario is played again: its requests are sent, its sockets opened, and
every answer and message must come back the same, apart from ids, times and numbers.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import nodes as test_nodes

from .conversations import FASTER, HARDLY_FASTER, SLOWER, Conversation

RECORDED = Path(__file__).parents[2] / "data" / "traces" / "engine"


VERSIONS = ("0.3.12", "0.3.40", "0.3.64", "0.33.0")


SCENARIOS = (
    "always_changed",
    "big_ws_message",
    "binary_previews",
    "cached_rerun",
    "client_prompt_id",
    "cors_33",
    "delete_queued",
    "execution_blocked",
    "execution_error",
    "extra_data_33",
    "feature_flags",
    "finish_before_ws",
    "free_33",
    "history_paging",
    "interrupt_global",
    "interrupt_prompt_id",
    "jobs_cancel",
    "jobs_cancel_batch",
    "jobs_query",
    "jobs_states",
    "misc_routes",
    "nan_json",
    "no_client_id",
    "node_expansion",
    "origin_check",
    "partial_targets",
    "progress",
    "progress_text",
    "prompt_id_forms",
    "save_image_websocket",
    "sec_fetch",
    "secrets",
    "sid_collision",
    "success_previewimage",
    "success_saveimage",
    "two_clients",
    "two_queued_one_client",
    "upload_and_view",
    "validation_errors",
)


INTERRUPTING = {
    "interrupt_global",
    "interrupt_prompt_id",
    "jobs_cancel",
    "jobs_cancel_batch",
    "jobs_query",
    "jobs_states",
}
"""Scenarios in which it is chance how far a node gets before it is stopped."""


COUNTING = {"jobs_query"}
"""Scenarios in which explicit numbers meet those of the counter."""


LEFT_OUT = {
    ("0.3.12", "partial_targets"): "two outputs ran in the order of a set",
    ("0.3.64", "client_prompt_id"): "a history entry was read while overwritten",
    ("0.33.0", "client_prompt_id"): "likewise",
    ("0.33.0", "jobs_cancel"): "a second cancel came before the first took effect",
    ("0.3.12", "big_ws_message"): "slow, and the same as in 0.33.0",
    ("0.3.40", "big_ws_message"): "likewise",
    ("0.3.64", "big_ws_message"): "likewise",
}
"""Recordings that are not played again, and why."""


@cache
def recorded(version: str) -> dict[str, list[dict[str, Any]]]:
    """Scenario to events."""
    text = gzip.decompress((RECORDED / f"v{version}.json.gz").read_bytes()).decode()
    scenarios: dict[str, list[dict[str, Any]]] = json.loads(
        text.replace("SdkTest", "Test")
    )
    return scenarios


class KSampler:
    """Has the inputs that validation looks at, and cannot run."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "sampling"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {"sampler_name": ([f"s{i}" for i in range(40)],)}}


class EmptyLatentImage(KSampler):
    """Has an output that is no image."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {}}


class ImageStitch:
    """Has a combo of the second schema."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        options = ["right", "down", "left", "up"]
        combo = {"default": "right", "multiselect": False, "options": options}
        return {"required": {"image1": ("IMAGE", {}), "direction": ("COMBO", combo)}}


STUBS = {each.__name__: each for each in (KSampler, EmptyLatentImage, ImageStitch)}


@pytest.mark.parametrize(
    ("version", "scenario"),
    [
        (version, scenario)
        for version in VERSIONS
        for scenario in SCENARIOS
        if scenario in recorded(version) and (version, scenario) not in LEFT_OUT
    ],
)
def test_conversation_is_the_recorded_one(version: str, scenario: str) -> None:
    """The engine answers each recorded request and sends each recorded message."""
    pace = HARDLY_FASTER if scenario in INTERRUPTING else FASTER
    try:
        have(version, scenario, pace)
    except AssertionError:
        # Nodes slept while this was recorded, and were looked at meanwhile: on a busy
        # machine the look may come when they are done.
        have(version, scenario, SLOWER)


def have(version: str, scenario: str, pace: float) -> None:
    """Have a recorded conversation with the engine.

    Raises:
        AssertionError: something came differently.
    """
    with EmbeddedEngine(
        version=version,
        node_packs=[test_nodes],
        node_classes=STUBS,
        cors_origin="*" if scenario == "cors_33" else None,
    ) as engine:
        by_chance = (
            {"progress", "progress_state"} if scenario in INTERRUPTING else set()
        )
        conversation = Conversation(engine.url, by_chance=by_chance, pace=pace)
        events = recorded(version)[scenario]
        try:
            if scenario in COUNTING:
                conversation.count_up(events)
            for then, now in conversation.play(events):
                assert now == then
        finally:
            conversation.close()
