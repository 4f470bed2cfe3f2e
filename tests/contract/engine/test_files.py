"""Files in and out of the engine: uploads, views, and names that would escape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from comfyclient.local.engine import EmbeddedEngine


def png(color: Any = "red", *, mode: str = "RGB") -> bytes:
    """A small picture."""
    stream = BytesIO()
    Image.new(mode, (4, 4), color).save(stream, "PNG")
    return stream.getvalue()


def opened(answer: requests.Response) -> Image.Image:
    """The picture in an answer."""
    with Image.open(BytesIO(answer.content)) as picture:
        picture.load()
        return picture


@pytest.fixture
def engine() -> Iterator[EmbeddedEngine]:
    """An engine."""
    with EmbeddedEngine() as engine:
        yield engine


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """One connection."""
    with requests.Session() as session:
        yield session


def sent_raw(
    session: requests.Session, url: str, disposition: bytes
) -> requests.Response:
    """An upload whose Content-Disposition is just these bytes."""
    body = (
        b'--X\r\nContent-Disposition: form-data; name="image"; '
        + disposition
        + b"\r\nContent-Type: image/png\r\n\r\n"
        + png()
        + b"\r\n--X--\r\n"
    )
    return session.post(
        f"{url}/upload/image",
        data=body,
        headers={"Content-Type": "multipart/form-data; boundary=X"},
        timeout=10,
    )


@pytest.mark.parametrize(
    ("disposition", "status", "name"),
    [
        ('filename="ü漢 x.png"'.encode(), 200, "ü漢 x.png"),
        (b'filename="a b.png"', 200, "a b.png"),
        (b'filename="a%20b.png"', 200, "a%20b.png"),
        (b"filename*=UTF-8''%C3%BC.png", 200, "ü.png"),
        (b'filename="sub/x.png"', 500, None),
        (b'filename="../../evil.png"', 400, None),
        (b'filename="/etc/evil.png"', 500, None),
        (b'filename=".."', 400, None),
        (b'filename=""', 500, None),
    ],
)
def test_upload_names_are_kept_or_refused(
    engine: EmbeddedEngine,
    session: requests.Session,
    disposition: bytes,
    status: int,
    name: str | None,
) -> None:
    """A name is stored as it is; one that leaves the folder is not stored at all."""
    answer = sent_raw(session, engine.url, disposition)

    stored = [p.name for p in (engine.base_directory / "input").rglob("*")]
    assert answer.status_code == status
    assert stored == ([] if name is None else [name])
    if name is not None:
        assert answer.json() == {"name": name, "subfolder": "", "type": "input"}


def test_long_name_is_an_error_and_no_end(
    engine: EmbeddedEngine, session: requests.Session
) -> None:
    """A name that the file system refuses is a 500; the engine goes on."""
    long = b"x" * 300

    assert sent_raw(session, engine.url, b'filename="' + long + b'"').status_code == 500
    assert sent_raw(session, engine.url, b'filename="x.png"').status_code == 200


@pytest.mark.parametrize("folder", ["../x", "/etc", "a/../../b"])
def test_subfolder_that_leaves_is_refused(
    session: requests.Session, tmp_path: Path, folder: str
) -> None:
    """No subfolder takes an upload out of its folder."""
    with EmbeddedEngine(tmp_path / "around" / "base") as engine:
        answer = session.post(
            f"{engine.url}/upload/image",
            data={"subfolder": folder},
            files={"image": ("escaped.png", png())},
            timeout=10,
        )

    assert answer.status_code == 400
    assert not list(tmp_path.rglob("escaped.png"))
    assert not Path("/etc/escaped.png").exists()


def test_mask_goes_into_the_pictures_alpha(
    engine: EmbeddedEngine, session: requests.Session
) -> None:
    """The original's colours are stored with the uploaded alpha band."""
    folder = engine.base_directory / "input"
    (folder / "base.png").write_bytes(png("blue"))
    reference = {"filename": "base.png", "subfolder": "", "type": "input"}

    answer = session.post(
        f"{engine.url}/upload/mask",
        data={"original_ref": json.dumps(reference)},
        files={"image": ("masked.png", png((9, 9, 9, 77), mode="RGBA"))},
        timeout=10,
    )

    assert answer.json()["name"] == "masked.png"
    with Image.open(folder / "masked.png") as masked:
        assert masked.getpixel((0, 0)) == (0, 0, 255, 77)


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ('{"filename": "none.png"}', 200),
        ('{"filename": "../../../etc/passwd", "type": "input"}', 500),
        ('{"filename": "x", "type": "nonsense"}', 500),
        ("{}", 500),
        ("[", 500),
    ],
)
def test_mask_for_nothing_writes_nothing(
    engine: EmbeddedEngine, session: requests.Session, reference: str, status: int
) -> None:
    """A missing original is a 200 without a file; a bad reference is a 500."""
    answer = session.post(
        f"{engine.url}/upload/mask",
        data={"original_ref": reference},
        files={"image": ("masked.png", png((9, 9, 9, 77), mode="RGBA"))},
        timeout=10,
    )

    assert answer.status_code == status
    assert not list((engine.base_directory / "input").iterdir())


def view(
    session: requests.Session, engine: EmbeddedEngine, **options: Any
) -> requests.Response:
    """GET /view."""
    headers = options.pop("headers", None)
    return session.get(
        f"{engine.url}/view", params=options, headers=headers, timeout=10
    )


def test_active_content_is_handed_out_as_an_attachment(
    engine: EmbeddedEngine, session: requests.Session
) -> None:
    """HTML and SVG never run in a browser; SVG is shown where an image is wanted."""
    for name in ("a.html", "a.svg", "a.js", "a.json"):
        (engine.base_directory / "output" / name).write_text("x")

    html = view(session, engine, filename="a.html")
    svg = view(session, engine, filename="a.svg")
    shown = view(session, engine, filename="a.svg", headers={"Sec-Fetch-Dest": "image"})
    plain = view(session, engine, filename="a.json")

    for answer in (html, svg):
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert answer.headers["Cache-Control"] == "no-store"
    assert shown.headers["Content-Type"] == "image/svg+xml"
    assert plain.headers["Content-Type"] == "application/json"
    for answer in (html, svg, shown, plain):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_older_release_does_not_speak_of_sniffing() -> None:
    """0.3.64 has no nosniff, and shows SVG as it is."""
    with EmbeddedEngine(version="0.3.64") as engine, requests.Session() as session:
        (engine.base_directory / "output" / "a.svg").write_text("x")

        answer = view(session, engine, filename="a.svg")

    assert "X-Content-Type-Options" not in answer.headers
    assert answer.headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize("byte_range", ["bytes=2-5", "bytes=-3", "bytes=10-"])
def test_part_of_a_file_is_given(
    engine: EmbeddedEngine, session: requests.Session, byte_range: str
) -> None:
    """A Range gives just that part."""
    content = bytes(range(20))
    (engine.base_directory / "output" / "x.bin").write_bytes(content)
    first, _, last = byte_range.removeprefix("bytes=").partition("-")
    expected = (
        content[-int(last) :]
        if not first
        else content[int(first) : int(last) + 1 if last else None]
    )

    answer = view(session, engine, filename="x.bin", headers={"Range": byte_range})

    assert (answer.status_code, answer.content) == (206, expected)


def test_range_outside_the_file_is_416(
    engine: EmbeddedEngine, session: requests.Session
) -> None:
    """A Range that the file has not is refused."""
    (engine.base_directory / "output" / "x.bin").write_bytes(b"123")

    answer = view(session, engine, filename="x.bin", headers={"Range": "bytes=99-"})

    assert answer.status_code == 416


def test_channels_are_taken_apart(
    engine: EmbeddedEngine, session: requests.Session
) -> None:
    """`rgb` drops the alpha band, `a` keeps only it."""
    path = engine.base_directory / "output" / "x.png"
    path.write_bytes(png((10, 20, 30, 40), mode="RGBA"))

    rgb = opened(view(session, engine, filename="x.png", channel="rgb"))
    alpha = opened(view(session, engine, filename="x.png", channel="a"))

    assert rgb.getpixel((0, 0)) == (10, 20, 30)
    assert alpha.getpixel((0, 0)) == (0, 0, 0, 40)


@pytest.mark.parametrize(
    ("preview", "kind"),
    [("webp;50", "WEBP"), ("jpeg", "JPEG"), ("nonsense", "WEBP"), ("jpeg;x", "JPEG")],
)
def test_previews_are_encoded_anew(
    engine: EmbeddedEngine, session: requests.Session, preview: str, kind: str
) -> None:
    """Any word but jpeg gives WebP; a quality that is no number is not used."""
    (engine.base_directory / "output" / "x.png").write_bytes(png())

    answer = view(session, engine, filename="x.png", preview=preview)

    with Image.open(BytesIO(answer.content)) as picture:
        assert picture.format == kind


def test_link_that_leads_out_is_followed_like_any_file(tmp_path: Path) -> None:
    """A folder linked into output/ is part of it, as mounts often are."""
    outside = tmp_path / "mounted"
    outside.mkdir()
    (outside / "x.txt").write_text("there")
    base = tmp_path / "base"
    (base / "output").mkdir(parents=True)
    (base / "output" / "link").symlink_to(outside)

    with EmbeddedEngine(base) as engine, requests.Session() as session:
        answer = view(session, engine, filename="x.txt", subfolder="link")

    assert answer.text == "there"
