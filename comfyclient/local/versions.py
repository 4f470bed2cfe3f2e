"""Which ComfyUI release does what: every difference that a client can see. Pure.

The fields of `Behaviour` are the table; the rest of the engine asks one of them and
never compares versions itself. What is not here because it would change nothing:
`extra_data.preview_method` (0.5.0) is about the previews of samplers, and no sampler
is here; node replacements (0.14.0) are about classes that are not here either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from packaging.version import InvalidVersion, Version

from ..errors import EngineError

OLDEST = "0.3.0"
NEWEST = "0.33.0"


def since(release: str) -> Any:
    """A behaviour that releases from this one on show."""
    return field(metadata={"since": Version(release)})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one release does; made by `behaviour_of`."""

    version: str

    # POST /prompt
    value_wrapper: bool = since("0.3.27")
    """`{"__value__": [...]}` is a literal list."""
    errors_as_objects: bool = since("0.3.28")
    """Early refusals carry an object and `{}`; before, a string or `[]`."""
    client_prompt_id: bool = since("0.3.45")
    """The client may choose the prompt id."""
    partial_targets: bool = since("0.3.48")
    combos_checked: bool = since("0.8.0")
    """A `COMBO` input's value must be one of its options."""
    missing_node_type: bool = since("0.12.0")
    """An unknown class has an error type of its own."""
    cycles_named: bool = since("0.20.0")
    """A cycle is reported per node; before, without a word."""
    uuid_prompt_id: bool = since("0.25.0")
    """The client's prompt id must be a canonical UUID."""
    usage_source: bool = since("0.25.0")
    """The header Comfy-Usage-Source is kept in extra_data."""

    # routes
    assets_named: bool = since("0.17.0")
    """/api/assets exists, and says that it is switched off."""

    file_listings: bool = since("0.3.40")
    """GET /internal/files/{kind}."""

    empty_view_name_refused: bool = since("0.3.40")
    """GET /view of an empty name gives 400; before, 500."""

    # queue, history, jobs
    secrets_out_of_history: bool = since("0.3.45")
    interrupt_by_id: bool = since("0.3.57")
    history_offset: bool = since("0.3.60")
    secrets_out_of_queue: bool = since("0.3.68")
    outputs_of_this_run: bool = since("0.3.68")
    """History lists what this run produced; before, whatever its nodes had cached."""
    keeps_older_outputs: bool = since("0.3.68")
    """Nodes that the newest graph does not use stay cached for a while."""
    create_time: bool = since("0.3.69")
    jobs_api: bool = since("0.6.0")
    cancelled_status: bool = since("0.9.0")
    """Interrupted jobs read as cancelled; before, as failed."""
    cancel_routes: bool = since("0.26.0")
    previewable_count: bool = since("0.32.0")

    # websocket
    progress_text: bool = since("0.3.34")
    feature_flags: bool = since("0.3.45")
    """feature_flags, GET /features, progress_state, event 4, async nodes."""

    # errors of nodes
    message_with_newline: bool = since("0.3.45")
    """exception_message ends with a newline, and tips follow when memory ran out."""

    # which core nodes there are
    value_nodes: bool = since("0.3.40")
    """Primitive values, strings, PreviewAny, MaskPreview, GetImageSize."""
    turning_nodes: bool = since("0.3.64")
    """ImageFlip, ImageRotate."""

    # object_info, system_stats, files
    frontend_version: bool = since("0.3.46")
    v3_schema: bool = since("0.3.48")
    """Combos may be written `["COMBO", {"options": [...]}]`."""
    templates_version: bool = since("0.3.61")
    platform_name: bool = since("0.4.0")
    """system_stats names sys.platform; before, os.name."""
    input_list_flag: bool = since("0.12.0")
    intermediate_flag: bool = since("0.19.0")
    cross_site_refused: bool = since("0.19.0")
    annotated_listings: bool = since("0.20.0")
    """GET /internal/files lists `x.png [output]`."""
    extended_features: bool = since("0.21.0")
    save_nodes_return: bool = since("0.26.0")
    """SaveImage and its kin have an output."""
    content_sniffing_off: bool = since("0.28.0")
    """GET /view says nosniff and hands active content out as an attachment."""
    inline_svg_images: bool = since("0.30.0")


def behaviour_of(version: str) -> Behaviour:
    """What this release of ComfyUI does.

    Raises:
        EngineError: not a version, or one that is not played.
    """
    try:
        played = Version(version)
    except InvalidVersion:
        raise EngineError(
            f"version {version!r} is not a version number; write one like {NEWEST}"
        ) from None
    if not Version(OLDEST) <= played <= Version(NEWEST):
        raise EngineError(
            f"version {version} is not played; choose one from {OLDEST} to {NEWEST}"
        )
    shown = {
        entry.name: played >= entry.metadata["since"]
        for entry in fields(Behaviour)
        if "since" in entry.metadata
    }
    return Behaviour(version=version, **shown)
