"""CRC-64/XZ, which OSS keeps of each object; slowly where fastcrc is not installed."""

from __future__ import annotations

try:
    from fastcrc.crc64 import xz as crc64
except ImportError:
    _POLYNOMIAL = 0xC96C5795D7870F42
    _ALL = (1 << 64) - 1

    def _entry(value: int) -> int:
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        return value

    _TABLE = [_entry(byte) for byte in range(256)]

    def crc64(  # type: ignore[misc]  # it takes bytes alone
        data: bytes, initial: int | None = None
    ) -> int:
        """The checksum of the bytes, going on from an earlier one."""
        value = (0 if initial is None else initial) ^ _ALL
        for byte in data:
            value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ _ALL


__all__ = ["crc64"]
