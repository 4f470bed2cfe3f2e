"""Typed, headless Python SDK that turns trip data into pictures through ComfyUI."""

__version__ = "0.1.0"
