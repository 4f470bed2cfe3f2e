"""The GPUs that a ComfyUI service of PAI-EAS runs on, and what is known of each. Pure.

The names are those that users speak of; the instance types are what EAS takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from .certainty import Sure


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, the instance type that has one of it, and what is said of it."""

    name: str
    instance_type: str
    said: str
    sure: Sure


GPUS: tuple[Gpu, ...] = (
    Gpu(
        "GU30",
        "ml.gu7i.c16m60.1-gu30",
        "GU30: the page on ComfyUI has it as the default, with the best value",
        Sure.DOCUMENTED,
    ),
    Gpu(
        "A10",
        "ecs.gn7i-c16g1.4xlarge",
        "A10: the page on ComfyUI lists it as another choice",
        Sure.DOCUMENTED,
    ),
    Gpu(
        "T4",
        "ecs.gn6i-c16g1.4xlarge",
        "T4: the page on ComfyUI falls back on it where GU30 is out of stock",
        Sure.DOCUMENTED,
    ),
    Gpu(
        "L20",
        "ecs.gn8is.4xlarge",
        "L20: not on the page on ComfyUI; users of ECS name this type with one L20. "
        "Whether EAS offers it in your region only the console tells",
        Sure.THIRD_PARTY,
    ),
)


def gpu_named(name: str) -> Gpu | None:
    """The GPU of that name, in any case."""
    return next((gpu for gpu in GPUS if gpu.name == name.strip().upper()), None)


def gpu_of(instance_type: str) -> Gpu | None:
    """The GPU that an instance type is listed with."""
    return next((gpu for gpu in GPUS if gpu.instance_type == instance_type), None)
