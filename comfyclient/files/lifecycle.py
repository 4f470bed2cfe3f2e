"""The rule that empties a storage by itself, to be set by whoever owns it. Pure."""

from __future__ import annotations

import shlex
from xml.sax.saxutils import escape

from ..config.settings import StorageSettings
from ..storage.paths import folder_below

_RULE = """  <Rule>
    <ID>{id}</ID>
    <Prefix>{prefix}</Prefix>
    <Status>Enabled</Status>
{inner}
  </Rule>"""
_EXPIRES = "    <Expiration><Days>{days}</Days></Expiration>"
_ABORTS = "    <AbortMultipartUpload><Days>{days}</Days></AbortMultipartUpload>"


def lifecycle_of(settings: StorageSettings, *, name: str, days: int) -> str | None:
    """A lifecycle configuration of OSS, or a command for a mount; None of `view`.

    OSS looks once a day, so it knows whole days alone.
    """
    if settings.kind == "oss":
        return _of_bucket(
            folder_below((settings.prefix or "").strip("/")), name, max(1, days)
        )
    if settings.kind == "mount" and settings.root is not None:
        root = settings.root
        return "\n".join(
            shlex.join(
                ["find", str(root / kind), "-type", "f", "-mtime", f"+{age}", "-delete"]
            )
            for kind, age in (("temp", 1), ("output", max(1, days)))
        )
    return None


def _of_bucket(prefix: str, name: str, days: int) -> str:
    rules = (
        (f"{name}-temp", f"{prefix}temp/", _EXPIRES.format(days=1)),
        (f"{name}-output", f"{prefix}output/", _EXPIRES.format(days=days)),
        (f"{name}-parts", prefix, _ABORTS.format(days=1)),
    )
    shown = "\n".join(
        _RULE.format(id=rule, prefix=escape(where), inner=inner)
        for rule, where, inner in rules
    )
    return f"<LifecycleConfiguration>\n{shown}\n</LifecycleConfiguration>"
