"""The embedded engine: a ComfyUI-compatible server that needs no GPU and no models."""
