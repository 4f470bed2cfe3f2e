"""Which node pack a class belongs to, by the habits of well-known packs. Pure."""

from __future__ import annotations

import re

OWN_PACK = "comfyclient's own node pack"
"""What our own pack is called."""

_PACKS = (
    (r"VHS_", "ComfyUI-VideoHelperSuite"),
    (r"ADE_", "ComfyUI-AnimateDiff-Evolved"),
    (r"ACN_", "ComfyUI-Advanced-ControlNet"),
    (r"IPAdapter", "ComfyUI_IPAdapter_plus"),
    (r"InstantID|ApplyInstantID", "ComfyUI_InstantID"),
    (r"(Apply)?Pulid.*Flux", "ComfyUI-PuLID-Flux"),
    (r"(Apply)?Pulid", "PuLID_ComfyUI"),
    (r"WanVideo", "ComfyUI-WanVideoWrapper"),
    (r"(DownloadAndLoad)?Kolors|LoadKolors", "ComfyUI-KwaiKolorsWrapper"),
    (r"MZ_", "ComfyUI-Kolors-MZ"),
    (r"HyVideo", "ComfyUI-HunyuanVideoWrapper"),
    (r"(DownloadAndLoad)?Florence2", "ComfyUI-Florence2"),
    (r"FaceDetailer|DetailerFor|SAMLoader|SEGS|Impact|Bbox", "ComfyUI-Impact-Pack"),
    (r"Ultralytics", "ComfyUI-Impact-Subpack"),
    (r"UltimateSDUpscale", "ComfyUI_UltimateSDUpscale"),
    (r"(Efficient|Eff\.) ?Loader|KSampler \(Efficient\)", "efficiency-nodes-comfyui"),
    (r"LayerUtility: |LayerMask: |LayerColor: |LayerFilter: ", "ComfyUI_LayerStyle"),
    (r"LayerStyle: ", "ComfyUI_LayerStyle"),
    (r"easy ", "ComfyUI-Easy-Use"),
    (r"CR ", "ComfyUI_Comfyroll_CustomNodes"),
    (r"ReActor", "ComfyUI-ReActor"),
    (r"RIFE VFI|FILM VFI", "ComfyUI-Frame-Interpolation"),
    (r".*GGUF", "ComfyUI-GGUF"),
    (r".*Preprocessor$", "comfyui_controlnet_aux"),
    (r".*\(rgthree\)$", "rgthree-comfy"),
    (r".*\|pysssss$", "ComfyUI-Custom-Scripts"),
    (r".*KJ(v2)?$", "ComfyUI-KJNodes"),
    (r".*\+$", "ComfyUI_essentials"),
    (r".*\(mtb\)$", "comfy-mtb"),
    (r"Trip[A-Z]", OWN_PACK),
)
_PATTERNS = tuple((re.compile(pattern), pack) for pattern, pack in _PACKS)


def pack_of(class_type: str) -> str | None:
    """The pack that most likely has the class; None where nothing hints at one."""
    for pattern, pack in _PATTERNS:
        if pattern.match(class_type):
            return pack
    return None
