"""What end-to-end tests share: stand-ins, and a gate that holds them."""

from ..scenes import comfy, gate, hosted, server

__all__ = ["comfy", "gate", "hosted", "server"]
