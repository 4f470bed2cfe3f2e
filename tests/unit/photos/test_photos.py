"""Photos of a trip: what is sent is whole, upright, and tells of nobody."""

from __future__ import annotations

import base64
import ipaddress
import struct
import zlib
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from comfyclient.errors import RenderError
from comfyclient.photos.cleaning import cleaned
from comfyclient.photos.fetching import MAX_BYTES, PhotoFetcher, is_outside
from comfyclient.photos.photos import Photos
from comfyclient.workflow import InputFile, Workflow

from ...small_server import SmallServer

GPS, OWNER, ORIENTATION = 0x8825, 0x013B, 0x0112


def picture(kind: str = "JPEG", *, orientation: int = 1, mode: str = "RGB") -> bytes:
    """A wide picture, red on its left, with place and owner in its metadata."""
    image = Image.new(mode, (64, 32))
    image.paste(Image.new(mode, (32, 32), 255 if mode == "L" else "red"), (0, 0))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[OWNER] = "Zhang Wei"
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (36.0, 53.0, 7.0)
    body = BytesIO()
    image.save(body, kind, exif=exif)
    return body.getvalue()


def clean(content: bytes) -> bytes:
    """As it is sent."""
    return cleaned(content, max_megapixels=50)[0]


def huge(width: int, height: int) -> bytes:
    """A small PNG that would be this large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


class TestCleaning:
    """Pixels stay, the rest goes."""

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("orientation", [1, 3, 6, 8])
    def test_upright_and_without_metadata(self, kind: str, orientation: int) -> None:
        """It is turned as its camera meant, and says neither where nor who."""
        content = picture(kind, orientation=orientation)
        body = clean(content)
        assert b"Zhang" in content
        assert b"Zhang" not in body
        with Image.open(BytesIO(body)) as image:
            assert image.format == kind
            assert not image.getexif()
            assert image.size == ((64, 32) if orientation in {1, 3} else (32, 64))
            corner = {1: (4, 4), 3: (60, 4), 6: (4, 4), 8: (4, 60)}[orientation]
            red, green, _ = image.convert("RGB").getpixel(corner)
        assert red > 200
        assert green < 60

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_what_stands_upright_keeps_its_pixels(self, kind: str) -> None:
        """Nothing is compressed a second time; cleaning twice changes nothing."""
        content = picture(kind)
        body = clean(content)
        with Image.open(BytesIO(content)) as old, Image.open(BytesIO(body)) as new:
            assert old.tobytes() == new.tobytes()
        assert clean(body) == body

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_other_colours(self, mode: str) -> None:
        """Grey stays grey; print colours become those of a screen."""
        body = clean(picture(mode=mode, orientation=6))
        with Image.open(BytesIO(body)) as image:
            assert image.mode == ("L" if mode == "L" else "RGB")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (picture()[:-400], "not whole|no whole"),
            (picture("PNG")[:60], "not whole|no picture"),
            (huge(10_000, 6_000), "more than 50 megapixels: it is 10000 x 6000"),
            (huge(60_000, 60_000), "more than 50 megapixels"),
            (huge(4_000, 4_000), "not whole"),
            (b"\0\0\0\x18ftypheic" + bytes(99), "a HEIC.*export it as JPEG"),
            (b"<?xml version='1.0'?><svg xmlns='x'/>", "an SVG"),
            (b"\n <svg onload='x'></svg>", "an SVG"),
            (b"GIF89a" + bytes(99), "a GIF"),
            (b"II*\0" + bytes(99), "raw file"),
            (b"<!DOCTYPE html><html>", "a web page"),
            (b"\x89PNG\r\n\x1a\n<svg/>", "no picture behind"),
            (b"\xff\xd8\xff\xe0" + bytes(99), "no picture|not whole"),
            (b"", "no PNG, JPEG or WebP"),
        ],
        ids=[
            "cut jpeg", "cut png", "60 megapixels", "bomb", "empty pixels", "heic",
            "svg", "bare svg", "gif", "raw", "html", "svg as png", "noise", "empty",
        ],
    )  # fmt: skip
    def test_what_is_not_sent(self, content: bytes, words: str) -> None:
        """Each is told apart, and what to do about it."""
        with pytest.raises(ValueError, match=words):
            clean(content)


class TestWorkflow:
    """A workflow's files become fit, and its graph names them."""

    def workflow(self, *files: InputFile) -> Workflow:
        """A graph that loads these files."""
        graph = {
            str(n): {"class_type": "LoadImage", "inputs": {"image": file.name}}
            for n, file in enumerate(files)
        }
        return Workflow(Workflow.from_graph(graph).graph, files=files)

    def photos(self, tmp_path: Path) -> Photos:
        """Photos in a cache of their own."""
        return Photos(
            fetch=PhotoFetcher([]),
            clean=lambda content: cleaned(content, max_megapixels=50),
            cache=tmp_path / "cache",
        )

    def test_it_is_renamed(self, tmp_path: Path) -> None:
        """By the content that is sent, the same each time; another process has it."""
        content = picture(orientation=6)
        file = InputFile("comfyclient/raw.jpg", "x", len(content), content)
        fitted = [self.photos(tmp_path).fit(self.workflow(file)) for _ in range(2)]
        (sent,) = fitted[0].files
        assert sent.name != file.name
        assert fitted[0].graph["0"]["inputs"]["image"] == sent.name
        assert fitted[0].digest == fitted[1].digest
        assert isinstance(sent.source, Path)
        assert sent.source.read_bytes() == clean(content)

    def test_a_bad_one(self, tmp_path: Path) -> None:
        """It is named by its file, never by its folder."""
        path = tmp_path / "private" / "me.jpg"
        path.parent.mkdir()
        path.write_bytes(picture()[:-400])
        file = InputFile("comfyclient/raw.jpg", "x", 1, path)
        with pytest.raises(RenderError, match=r"the photo me.jpg cannot") as caught:
            self.photos(tmp_path).fit(self.workflow(file))
        assert "private" not in str(caught.value)


class Site(SmallServer):
    """A web site with a picture, a redirect, and a body without end."""

    def __init__(self, content: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

            def do_GET(self) -> None:
                hosts.append(self.headers["Host"])
                status = 302 if self.path == "/elsewhere" else 200
                self.send_response(404 if self.path == "/none" else status)
                if status == 302:
                    self.send_header("Location", "http://169.254.169.254/")
                self.end_headers()
                block = content
                if self.path == "/endless":
                    block = bytes(1 << 20)
                    for _ in range((MAX_BYTES >> 20) + 1):
                        try:
                            self.wfile.write(block)
                        except OSError:
                            return
                elif self.path.startswith("/a.jpg?sig="):
                    self.wfile.write(content)

        self.hosts: list[str] = []
        hosts = self.hosts
        super().__init__(Handler)


@pytest.fixture(scope="module")
def site():
    """One site for all."""
    site = Site(b"picture")
    yield site
    site.close()


class TestFetching:
    """Photos that are addresses come from allowed hosts, and from nowhere inside."""

    def fetcher(self, *hosts: str, address: str = "127.0.0.1") -> PhotoFetcher:
        """One for which this name has this address, and loopback is outside."""
        return PhotoFetcher(
            hosts or ("photos.example.com",),
            resolve=lambda host, port: [address],
            allows=lambda found: found.is_loopback or is_outside(found),
        )

    def test_an_allowed_one(self, site: Site) -> None:
        """It is asked for by its name, at the address that was checked."""
        url = f"http://photos.example.com:{site.port}/a.jpg?sig=1"
        assert self.fetcher()(url) == b"picture"
        assert site.hosts[-1] == f"photos.example.com:{site.port}"
        assert self.fetcher("*.example.com")(url) == b"picture"

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/elsewhere", "redirects elsewhere"),
            ("/none", "answers 404"),
            ("/endless", "more than 50 MiB"),
        ],
    )
    def test_what_it_may_answer(self, site: Site, path: str, words: str) -> None:
        """No redirect is followed, and no body without end is read."""
        with pytest.raises(ValueError, match=words):
            self.fetcher()(f"http://photos.example.com:{site.port}{path}")

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.0.0.8", "172.16.0.1", "192.168.1.1", "169.254.169.254",
            "100.100.100.200", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "fd00::1",
            "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "::",
        ],
    )  # fmt: skip
    def test_no_address_inside(self, address: str) -> None:
        """Whatever name leads there: ours, our network's, a cloud's metadata."""
        assert not is_outside(ipaddress.ip_address(address))
        fetch = PhotoFetcher(["photos.example.com"], resolve=lambda h, p: [address])
        with pytest.raises(ValueError, match="not outside"):
            fetch("https://photos.example.com/a.jpg")

    def test_a_name_that_changes(self, site: Site) -> None:
        """A name is looked up once: what it means afterwards leads nowhere."""
        answers = [["127.0.0.1"], ["10.0.0.1"]]
        fetch = PhotoFetcher(
            ["photos.example.com"],
            resolve=lambda host, port: answers.pop(0),
            allows=lambda found: found.is_loopback,
        )
        url = f"http://photos.example.com:{site.port}/a.jpg?sig=1"
        assert fetch(url) == b"picture"
        assert len(answers) == 1

    def test_one_bad_address_of_several(self) -> None:
        """A name that also leads inside is refused whole."""
        fetch = PhotoFetcher(["a.com"], resolve=lambda h, p: ["8.8.8.8", "10.0.0.1"])
        with pytest.raises(ValueError, match="not outside"):
            fetch("https://a.com/x")

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.com/a.jpg",
            "https://photos.example.com.evil.com/a.jpg",
            "https://evilphotos.example.com/a.jpg",
            "https://photos.example.com@evil.com/a.jpg",
            "https://evil.com#photos.example.com",
            "file:///etc/passwd",
            "ftp://photos.example.com/a.jpg",
            "https:///a.jpg",
            "https://[::1/a.jpg",
            "https://photos.example.com/a b\r\nX: y",
            "gopher://photos.example.com",
        ],
    )
    def test_what_is_not_allowed(self, url: str) -> None:
        """Another host, another scheme, a trick with the address."""
        fetch = PhotoFetcher(["photos.example.com"], resolve=lambda h, p: ["8.8.8.8"])
        with pytest.raises(ValueError, match=r"host|address"):
            fetch(url)

    def test_nothing_secret_is_told(self) -> None:
        """An error holds the host, nothing of the path or the signature."""
        with pytest.raises(ValueError, match=r"evil\.com") as caught:
            PhotoFetcher([])("https://evil.com/me/home.jpg?sig=secret")
        assert "secret" not in str(caught.value)
        assert "home" not in str(caught.value)

    def test_bytes(self) -> None:
        """A photo may stand in the trip itself."""
        text = base64.b64encode(b"picture").decode()
        assert PhotoFetcher([])(f"data:image/jpeg;base64,{text}") == b"picture"
        for bad in ("data:text/html,x", "data:image/png;base64,!!!", "data:"):
            with pytest.raises(ValueError, match="data:"):
                PhotoFetcher([])(bad)
