"""Who asks DashScope, and where it is: both from the server's environment.

The key is no input of a node: a graph's inputs are saved into every picture that it
makes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

KEY_VARIABLE = "DASHSCOPE_API_KEY"
KEY_FILE_VARIABLE = "DASHSCOPE_API_KEY_FILE_PATH"
ADDRESS_VARIABLE = "DASHSCOPE_HTTP_BASE_URL"

ADDRESS = "https://dashscope.aliyuncs.com/api/v1"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

GONE: Mapping[str, str] = {
    "qwen-max": "qwen3.6-plus",
    "qwen-turbo": "qwen3.6-flash",
    "qwq-plus": "qwen3.6-plus",
    "qwen-vl-max": "qwen3-vl-plus",
    "qwen-vl-plus": "qwen3-vl-plus",
    "qvq-max": "qwen3-vl-plus",
    "wanx-v1": "wan2.6-t2i",
    "wanx-v2": "wan2.6-t2i",
}
"""Names that teams know, and what takes their place; the mainline names among them
were retired in Beijing and Singapore on 2026-07-13."""


@dataclass(frozen=True)
class Account:
    """Where DashScope is, and the key for it."""

    address: str
    key: str

    def __repr__(self) -> str:
        return f"Account({self.address!r})"

    @property
    def host(self) -> str:
        """The service's host, with its port where it has one."""
        return urlsplit(self.address).netloc

    @property
    def on_loopback(self) -> bool:
        """Whether it is a stand-in on this machine."""
        return urlsplit(self.address).hostname in _LOOPBACK


def address() -> str:
    """The address of the service, from the server's environment."""
    return os.environ.get(ADDRESS_VARIABLE, "").strip().rstrip("/") or ADDRESS


def account() -> Account:
    """The account of the server's environment.

    Raises:
        ValueError: there is no key, or the address is none to send a key to.
    """
    where = address()
    parts = urlsplit(where)
    found = Account(where, _key())
    if parts.scheme != "https" and not (parts.scheme == "http" and found.on_loopback):
        raise ValueError(
            f"{ADDRESS_VARIABLE}: {parts.scheme}://{parts.netloc} would show the key "
            "to everybody on the way; give an https address"
        )
    if parts.username or parts.query or not parts.hostname:
        raise ValueError(
            f"{ADDRESS_VARIABLE}: is no plain address such as {ADDRESS}; set it anew"
        )
    return found


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    file = os.environ.get(KEY_FILE_VARIABLE, "").strip()
    if not key and file:
        try:
            key = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{KEY_FILE_VARIABLE}: {file} cannot be read") from error
    if not key:
        raise ValueError(
            f"{KEY_VARIABLE} is not set in the environment of the ComfyUI server; set "
            "it there and restart (it is no input: inputs are saved into pictures)"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"{KEY_VARIABLE} has characters that no key has; set it anew")
    return key


def wrong_setting(model: str | None) -> str | None:
    """What keeps a node from asking at all; None where nothing does."""
    try:
        account()
        if model is not None:
            read_model(model)
    except ValueError as error:
        return str(error)
    return None


class AsksDashScope:
    """What all nodes that ask have in common, as ComfyUI calls it."""

    @classmethod
    def VALIDATE_INPUTS(cls, model: str | None = None) -> bool | str:
        """Refuse a job that could not ask, before any of it runs."""
        wrong = wrong_setting(model)
        return True if wrong is None else wrong

    @classmethod
    def IS_CHANGED(cls, **_: object) -> str:
        """Ask again only where another service would answer."""
        return address()


def read_model(model: str) -> str:
    """The name of a model.

    Raises:
        ValueError: it is none, or a model that the service no longer has.
    """
    name = model.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise ValueError(
            f"model: {model!r:.60} is no name; give one, such as wan2.6-t2i"
        )
    host = urlsplit(address()).hostname or ""
    if name in GONE and (host.startswith("dashscope") or host in _LOOPBACK):
        raise ValueError(f"model: {name} is no longer there; use {GONE[name]}")
    return name
