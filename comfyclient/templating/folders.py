"""Makes template folders: whole or not at all, and never over another."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from packaging.version import Version

from ..errors import ManifestError, TemplateError
from .manifest import FILE, NAME, VERSION, parse_manifest
from .template import Template

Step: TypeAlias = Literal["major", "minor", "patch"]

_VERSION_LINE = re.compile(
    r"""^\ufeff?[ \t]*(?:version|"version"|'version')[ \t]*=[ \t]*"""
    r"""(?:"(?P<double>[^"\r\n]*)"|'(?P<single>[^'\r\n]*)')""",
    re.MULTILINE,
)


def new_template(
    root: Path, *, name: str, version: str, files: Mapping[str, bytes]
) -> Template:
    """Put a template's files into the folder `<root>/<name>/<version>`.

    Raises:
        TemplateError: name or version are none, or the template is there already, or
            it cannot be written; nothing is left behind.
    """
    require_name(name)
    if _versions(root / name):
        raise TemplateError(
            f"there is a template {name!r} already",
            file=str(root / name),
            hint=f"comfyclient templates bump {name} makes its next version",
        )

    def fill(folder: Path) -> None:
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)

    return _published(root, name, version, fill)


def bump_template(template: Template, *, root: Path, version: str) -> Template:
    """Copy a template to another version, which its manifest then says.

    Raises:
        TemplateError: that version is none or there already, or cannot be written.
    """

    def fill(folder: Path) -> None:
        shutil.copytree(template.folder, folder)
        manifest = folder / FILE
        manifest.chmod(0o644)  # the package's own may be read-only
        manifest.write_bytes(_with_version(manifest, version))

    return _published(root, template.name, version, fill)


def next_version(newest: Version, step: Step) -> str:
    """The version behind the newest; of a pre-release, the release it leads to."""
    major, minor, patch = newest.release
    match step:
        case "major":
            done = newest.is_prerelease and minor == patch == 0
            numbers = (major if done else major + 1, 0, 0)
        case "minor":
            done = newest.is_prerelease and patch == 0
            numbers = (major, minor if done else minor + 1, 0)
        case "patch":
            numbers = (major, minor, patch if newest.is_prerelease else patch + 1)
    return ".".join(map(str, numbers))


def require_name(name: str) -> None:
    """Let a template's name pass: no path, and the same on every file system.

    Raises:
        TemplateError: it is none.
    """
    if not NAME.fullmatch(name) or len(name) > 100:
        raise TemplateError(
            f"{name!r:.120} is no name like 'trip-postcard'",
            hint="lower-case letters and digits, in words joined by -",
        )


def require_version(version: str) -> None:
    """Let a template's version pass.

    Raises:
        TemplateError: it is none.
    """
    if not VERSION.fullmatch(version) or len(version) > 40:
        raise TemplateError(
            f"{version!r:.60} is no version like '1.0.0' or '1.1.0rc1'",
        )


def _versions(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if VERSION.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unwritten(folder, error) from error


def _published(
    root: Path, name: str, version: str, fill: Callable[[Path], None]
) -> Template:
    """Fill a folder aside, read it as a template, and give it its name."""
    require_version(version)
    target = root / name / version
    staging = root / f".new-{secrets.token_hex(6)}"
    if target.exists():
        raise _there_already(target)
    try:
        (staging / name).mkdir(parents=True)
        staged = staging / name / version
        fill(staged)
        _ = Template(staged).source
        target.parent.mkdir(exist_ok=True)
        staged.rename(target)
    except (OSError, shutil.Error) as error:
        if target.exists():  # another process was faster
            raise _there_already(target) from error
        raise _unwritten(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Template(target)


def _with_version(manifest: Path, version: str) -> bytes:
    """The manifest with another version, and nothing else changed."""
    content = manifest.read_bytes()
    wanted = parse_manifest(content, manifest).model_copy(update={"version": version})
    for changed in _versions_replaced(content.decode(), version):
        try:
            if parse_manifest(changed.encode(), manifest) == wanted:
                return changed.encode()
        except ManifestError:
            continue  # that line was part of a text
    raise ManifestError(
        "its version stands in no line of its own",
        file=str(manifest),
        hint='write it as version = "1.0.0"',
    )


def _versions_replaced(text: str, version: str) -> Iterator[str]:
    """The text with one of its lines about a version changed, for each of them."""
    for found in _VERSION_LINE.finditer(text):
        start, end = found.span("single" if found["double"] is None else "double")
        yield text[:start] + version + text[end:]


def _there_already(target: Path) -> TemplateError:
    return TemplateError(
        "is there already, and a published version never changes",
        file=str(target),
        hint="choose another version",
    )


def _unwritten(path: Path, error: OSError) -> TemplateError:
    said = error.strerror if error.strerror is not None else str(error)
    return TemplateError(f"cannot be made: {said}", file=str(path))
