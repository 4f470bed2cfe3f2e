"""Queue and history read as jobs, as GET /api/jobs shows them. Pure."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from .prompt_queue import QueueItem
from .versions import Behaviour

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")

Job = dict[str, Any]

_PREVIEWABLE = {"images", "video", "audio", "3d"}
_THREE_D = (".obj", ".fbx", ".gltf", ".glb", ".usdz")
_MEDIA_BY_ENDING = {
    ".mp4": "video",
    ".webm": "video",
    ".mov": "video",
    ".avi": "video",
    ".mkv": "video",
    ".wav": "audio",
    ".mp3": "audio",
    ".ogg": "audio",
    ".flac": "audio",
    ".m4a": "audio",
    ".opus": "audio",
    **dict.fromkeys(_THREE_D, "3d"),
}
_TEXT_SHOWN = 1024


def is_canonical_uuid(value: Any) -> bool:
    """Whether this is a UUID in lower case with hyphens, as prompt ids must be."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def waiting_job(item: QueueItem, *, status: str, behaviour: Behaviour) -> Job:
    """A job that is pending or runs."""
    counts = {"outputs_count": 0}
    if behaviour.previewable_count:
        counts["previewable_outputs_count"] = 0
    return _without_none(
        {
            "id": item.prompt_id,
            "status": status,
            "priority": item.number,
            "create_time": item.extra_data.get("create_time"),
            **counts,
            "workflow_id": _workflow_id(item.extra_data),
        }
    )


def finished_job(
    prompt_id: str, entry: dict[str, Any], *, behaviour: Behaviour, full: bool = False
) -> Job:
    """A job of the history; `full` adds its outputs, messages and graph."""
    number, _, graph, extra_data, _ = entry["prompt"]
    messages = entry["status"]["messages"]
    count, previewable, shown = _summary(entry["outputs"])
    counts = {"outputs_count": count}
    if behaviour.previewable_count:
        counts["previewable_outputs_count"] = previewable
    job = {
        "id": prompt_id,
        "status": _status(entry, behaviour=behaviour),
        "priority": number,
        "create_time": extra_data.get("create_time"),
        **_times(messages),
        "execution_error": _data_of(messages, "execution_error"),
        **counts,
        "preview_output": shown,
        "workflow_id": _workflow_id(extra_data),
    }
    if full:
        job |= {
            "outputs": _normalised(entry["outputs"]),
            "execution_status": entry["status"],
            "workflow": {"prompt": graph, "extra_data": extra_data},
        }
    return _without_none(job)


def _status(entry: dict[str, Any], *, behaviour: Behaviour) -> str:
    if entry["status"]["status_str"] == "success":
        return "completed"
    interrupted = _data_of(entry["status"]["messages"], "execution_interrupted")
    if interrupted is not None and behaviour.cancelled_status:
        return "cancelled"
    return "failed"


def _times(messages: list[list[Any]]) -> dict[str, Any]:
    times: dict[str, Any] = {}
    for kind, data in messages:
        if kind == "execution_start":
            times["execution_start_time"] = data.get("timestamp")
        elif kind.startswith("execution_") and kind != "execution_cached":
            times["execution_end_time"] = data.get("timestamp")
    return times


def _data_of(messages: list[list[Any]], kind: str) -> dict[str, Any] | None:
    return next((data for name, data in messages if name == kind), None)


def _workflow_id(extra_data: dict[str, Any]) -> Any:
    # Shapes other than objects raise, and break the whole list: as on the server.
    return extra_data.get("extra_pnginfo", {}).get("workflow", {}).get("id")


def _without_none(job: Job) -> Job:
    return {key: value for key, value in job.items() if value is not None}


def _summary(outputs: dict[str, Any]) -> tuple[int, int, dict[str, Any] | None]:
    """How many outputs, how many can be shown, and the one to show first."""
    count, previewable = 0, 0
    first_saved: dict[str, Any] | None = None
    first_other: dict[str, Any] | None = None
    for node_id, ui in outputs.items():
        for media, items in ui.items():
            if media == "animated" or not isinstance(items, list):
                continue
            for item in _normalised_items(items):
                if not isinstance(item, dict):
                    if media == "text" and first_other is None:
                        first_other = _text_shown(item, node_id)
                        count += 1
                    continue
                if "filename" not in item:
                    continue
                count += 1
                if _media_of(media, item) is None:
                    continue
                previewable += 1
                found = {**item, "nodeId": node_id}
                found.setdefault("mediaType", media)
                if item.get("type") == "output" and first_saved is None:
                    first_saved = found
                first_other = first_other or found
    return count, previewable, first_saved or first_other


def _text_shown(text: Any, node_id: str) -> dict[str, Any]:
    content = str(text)
    shown = {
        "content": content[:_TEXT_SHOWN],
        "nodeId": node_id,
        "mediaType": "text",
    }
    return shown | ({"truncated": True} if len(content) > _TEXT_SHOWN else {})


def _media_of(media: str, item: dict[str, Any]) -> str | None:
    if media in _PREVIEWABLE:
        return media
    name = item["filename"].lower()
    ending = name[name.rfind(".") :] if "." in name else ""
    if ending in _MEDIA_BY_ENDING:
        return _MEDIA_BY_ENDING[ending]
    kind = item.get("format", "").partition("/")[0]
    return kind if kind in ("video", "audio") else None


def _normalised(outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        node_id: {
            media: _normalised_items(items) if isinstance(items, list) else items
            for media, items in ui.items()
        }
        for node_id, ui in outputs.items()
    }


def _normalised_items(items: list[Any]) -> list[Any]:
    return [
        {"filename": item, "type": "output", "subfolder": "", "mediaType": "3d"}
        if isinstance(item, str) and item.lower().endswith(_THREE_D)
        else item
        for item in items
        if item is not None
    ]
