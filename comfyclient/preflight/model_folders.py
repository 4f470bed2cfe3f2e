"""Which folder of `models/` or which other folder an input's choices lie in. Pure."""

from __future__ import annotations

import re

from ..transports.refusals import MODEL_SUFFIXES

_BY_CLASS = {
    ("AudioEncoderLoader", "audio_encoder_name"): "audio_encoders",
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("CheckpointLoader", "config_name"): "configs",
    ("DiffusersLoader", "model_path"): "diffusers",
    ("FrameInterpolationModelLoader", "model_name"): "frame_interpolation",
    ("LTXAVTextEncoderLoader", "text_encoder"): "text_encoders",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("LoadBackgroundRemovalModel", "bg_removal_name"): "background_removal",
    ("LoadDA3Model", "model_name"): "geometry_estimation",
    ("LoadMediaPipeFaceLandmarker", "model_name"): "detection",
    ("LoadMoGeModel", "model_name"): "geometry_estimation",
    ("ModelPatchLoader", "name"): "model_patches",
    ("OpticalFlowLoader", "model_name"): "optical_flow",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
}

_BY_NAME = {
    "ckpt_name": "checkpoints",
    "clip_name": "text_encoders",
    "control_net_name": "controlnet",
    "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks",
    "lora_name": "loras",
    "photomaker_model_name": "photomaker",
    "style_model_name": "style_models",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
}
"""Custom packs keep to the names that the core's loaders have."""

_LISTED = {
    ("LoadLatent", "latent"),
    ("LoadTrainingDataset", "folder_name"),
    ("LoadImageSetFromFolderNode", "folder"),
    ("LoadImageTextSetFromFolderNode", "folder"),
}
"""Choices that are files, but no models."""

_NUMBERED = re.compile(r"^(.+?)_?\d*$")


def model_folder(class_type: str, input_name: str) -> str | None:
    """The folder of `models/` that the input chooses from; None where unknown."""
    name = input_name.rpartition(".")[2]
    known = _BY_CLASS.get((class_type, name))
    if known is not None:
        return known
    stem = _NUMBERED.match(name)
    return None if stem is None else _BY_NAME.get(stem[1])


def names_files(class_type: str, input_name: str) -> bool:
    """Whether the choices are known to be files, which come and go."""
    return (class_type, input_name) in _LISTED or (
        model_folder(class_type, input_name) is not None
    )


def is_model_file(value: object) -> bool:
    """Whether a value looks like the name of a model file."""
    return isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES)
