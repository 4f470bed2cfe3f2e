"""Downloads and uploads of the ComfyUI transport: broken streams, hostile names."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from comfyclient.errors import (
    AccessDeniedError,
    ComfyClientError,
    OutputDamagedError,
    OutputError,
    OutputMissingError,
    RedirectError,
    ServerFaultError,
    UnreachableError,
    UnsafePathError,
)
from comfyclient.files.outputs import Output, OutputRef
from comfyclient.testing import HastyClock
from comfyclient.testing.bench import Bench
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline, SystemClock
from comfyclient.workflow import InputFile

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def output(bench: Bench, server: ScriptedServer) -> Output:
    """An output of a megabyte on the scripted server."""
    server.files["output", "", "a.png"] = CONTENT
    return output_of(bench, server, "a.png")


def output_of(bench: Bench, server, name: str, **more: str) -> Output:
    """An output of any name; pauses take no time."""
    return Output(
        OutputRef("2", "images", name, **more),
        bench.transport(server.url).open,
        clock=HastyClock(),
    )


class LeapingClock(SystemClock):
    """The machine's own clock, until it leaps ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        """Seconds, and those leapt over."""
        return super().monotonic() + self.ahead


class TestSaving:
    """A file appears whole under its name, or not at all."""

    def test_it_is_the_file(self, output: Output, tmp_path: Path) -> None:
        """The saved file is byte for byte the server's, and its checksum says so."""
        path = output.save(tmp_path)
        assert path.read_bytes() == CONTENT
        assert output.saved.bytes == len(CONTENT)
        assert output.saved.sha256 == hashlib.sha256(CONTENT).hexdigest()

    def test_an_existing_file_stays(self, output: Output, tmp_path: Path) -> None:
        """A taken name is not overwritten: the new file gets a number."""
        (tmp_path / "a.png").write_bytes(b"mine")
        paths = [output.save(tmp_path), output.save(tmp_path)]
        assert [p.name for p in paths] == ["a-2.png", "a-3.png"]
        assert (tmp_path / "a.png").read_bytes() == b"mine"

    def test_unless_asked_to(self, output: Output, tmp_path: Path) -> None:
        """With overwrite the file is replaced."""
        (tmp_path / "a.png").write_bytes(b"mine")
        assert output.save(tmp_path, overwrite=True).read_bytes() == CONTENT
        assert names_in(tmp_path) == ["a.png"]

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(sends=0),
            Reply(sends=1),
            Reply(sends=70_000),
            Reply(sends=len(CONTENT) - 1),
            Reply(sends=300_000, resets=True),
            Reply(200, b"short", {"Content-Length": "500"}, sends=5),
            Reply(200, b"5\r\nhello\r\n", {"Transfer-Encoding": "chunked"}, sends=10),
            Reply(200, b"zz\r\nhello", {"Transfer-Encoding": "chunked"}, sends=9),
            Reply(200, b"not gzip at all", {"Content-Encoding": "gzip"}),
            Reply(raw=b"HTTP/1.1 200 OK"),
            Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"),
            Reply(raw=b"HTTP/1.0 200 OK\r\n\r\nendless"),
            Reply(200, b"<html>sorry", {"Content-Type": "Text/HTML; charset=utf-8"}),
            Reply.of_json({"code": "InvokeFailed"}),
            Reply(200, headers={"Content-Type": "image/png"}),
        ],
        ids=[
            "no-byte",
            "one-byte",
            "some",
            "but-one",
            "reset",
            "length",
            "chunked",
            "chunk-size",
            "gzip",
            "cut-head",
            "cut-headers",
            "no-end",
            "page",
            "json",
            "empty",
        ],
    )
    def test_a_broken_stream(self, output, server, tmp_path, reply) -> None:
        """A download that breaks is taken up again; one that always does leaves none.

        Neither a file nor a part of one.
        """
        server.always("GET /view", reply)
        with pytest.raises(OutputDamagedError) as caught:
            output.save(tmp_path)
        assert caught.value.retryable
        assert names_in(tmp_path) == []
        assert output.saved is None
        server.always("GET /view", None)
        server.answer("GET /view", reply)
        assert output.save(tmp_path).read_bytes() == CONTENT
        assert names_in(tmp_path) == ["a.png"]

    @pytest.mark.parametrize(
        ("name", "kind", "content"),
        [
            ("notes.html", "text/html", b"<p>"),
            ("notes.json", "application/json", b"{}"),
            ("notes.txt", "text/plain", b""),
            ("a.latent", "application/octet-stream", b""),
        ],
    )
    def test_a_page_that_is_the_file(
        self, bench, server, tmp_path, name: str, kind: str, content: bytes
    ) -> None:
        """What its name announces is taken; what is no picture may be empty."""
        server.answer("GET /view", Reply(200, content, {"Content-Type": kind}))
        path = output_of(bench, server, name).save(tmp_path)
        assert path.read_bytes() == content

    def test_a_broken_stream_keeps_the_old_file(self, output, server, tmp_path) -> None:
        """Even with overwrite, what was there stays until the new file is whole."""
        (tmp_path / "a.png").write_bytes(b"mine")
        server.always("GET /view", Reply(sends=100))
        with pytest.raises(OutputDamagedError):
            output.save(tmp_path, overwrite=True)
        assert (tmp_path / "a.png").read_bytes() == b"mine"
        assert names_in(tmp_path) == ["a.png"]

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (Reply(404), OutputMissingError),
            (Reply(400), OutputMissingError),
            (Reply(403), AccessDeniedError),
            (Reply(500, b"x" * (5 << 20)), ServerFaultError),
            (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), RedirectError),
            (Reply.lost(acts=False), ComfyClientError),
            (Reply(raw=b"\xff\x00" * 99), ComfyClientError),
        ],
        ids=["404", "400", "403", "500", "302", "lost", "noise"],
    )
    def test_no_file(self, output, server, tmp_path, reply, kind) -> None:
        """An answer that is no file is an error, and nothing is written."""
        server.always("GET /view", reply)
        with pytest.raises(kind):
            output.save(tmp_path)
        assert names_in(tmp_path) == []

    def test_a_full_disk_or_a_file_in_the_way(self, output, tmp_path) -> None:
        """A target that cannot be written is an OutputError."""
        (tmp_path / "folder").write_bytes(b"a file")
        with pytest.raises(OutputError, match="cannot write"):
            output.save(tmp_path / "folder" / "below")

    def test_its_time_is_over(self, output, tmp_path) -> None:
        """A download has a deadline of its own."""
        with pytest.raises(ComfyClientError, match=r"no time|not complete"):
            output.save(tmp_path, timeout=0)
        assert names_in(tmp_path) == []

    def test_a_drip_ends_with_the_deadline(self, bench, server, tmp_path) -> None:
        """A download that only drips ends with its deadline, and leaves nothing."""
        clock, stop = LeapingClock(), threading.Event()

        @contextmanager
        def begun(*asked, **more):
            """The download as it begins; and its time is up."""
            with bench.transport(server.url).open(*asked, **more) as download:
                clock.ahead = 61
                yield download

        server.answer("GET /view", Reply(200, CONTENT, drips=stop))
        with pytest.raises(OutputDamagedError, match="not complete"):
            Output(OutputRef("2", "images", "a.png"), begun, clock=clock).save(
                tmp_path, timeout=60
            )
        stop.set()
        assert names_in(tmp_path) == []

    def test_too_large_to_read(self, output: Output) -> None:
        """Reading into memory has a limit."""
        with pytest.raises(OutputError, match="larger than 1000"):
            output.read(limit=1000)

    def test_a_server_that_is_gone(self, bench, tmp_path) -> None:
        """Nobody there: unreachable, and nothing is written."""
        with ScriptedServer() as server:
            gone = output_of(bench, server, "a.png")
        with pytest.raises(UnreachableError):
            gone.save(tmp_path)
        assert names_in(tmp_path) == []


class TestNames:
    """Whatever a server calls a file, it cannot leave the folder."""

    @pytest.mark.parametrize(
        "name",
        [
            "../x.png",
            "a/../../x.png",
            "/etc/passwd",
            "..\\x.png",
            "C:\\..\\x.png",
            "a\0.png",
            "a\n.png",
            "\x7f.png",
            "..",
            ".",
            "",
            "a/",
            "\ud800.png",
        ],
    )
    def test_an_unsafe_one(self, bench, server, tmp_path, name: str) -> None:
        """A name that climbs, is absolute or cannot be written is refused."""
        inner = tmp_path / "inner"
        with pytest.raises(ComfyClientError) as caught:
            output_of(bench, server, name).save(inner)
        assert isinstance(caught.value, UnsafePathError)
        assert names_in(tmp_path) in ([], ["inner"])

    @pytest.mark.parametrize("name", ["../x.png", "a\0.png", "\ud800.png"])
    def test_an_unsafe_one_under_a_name_of_ours(self, bench, server, tmp_path, name):
        """Under the caller's own name, the server is asked, and has no such file."""
        with pytest.raises(OutputError):
            output_of(bench, server, name).save(tmp_path / "mine.png")
        assert names_in(tmp_path) == []

    @pytest.mark.parametrize(
        "name",
        [
            "湖边 的一天.png",
            "100%.png",
            "a b+c&d=e#f?.png",
            "%2e%2e%2fx.png",
            "-rf.png",
            "é.png",
            "CON.png",
            "x.png [input]",
        ],
    )
    def test_an_odd_one(self, bench, server, tmp_path, name: str) -> None:
        """Blanks, percent, other scripts: asked for exactly and saved as it is."""
        server.files["output", "", name] = b"here"
        path = output_of(bench, server, name).save(f"{tmp_path}/")
        assert path.name == name
        assert path.read_bytes() == b"here"

    @pytest.mark.parametrize("letter", ["a", "旅"])
    def test_one_of_300_characters(self, bench, server, tmp_path, letter) -> None:
        """A very long name is shortened, keeps its suffix and stays unique."""
        names = [letter * 300 + "1.png", letter * 300 + "2.png"]
        for name in names:
            server.files["output", "", name] = b"here"
        saved = [output_of(bench, server, name).save(tmp_path) for name in names]
        assert len({path.name for path in saved}) == 2
        assert all(path.suffix == ".png" for path in saved)
        assert all(len(path.name.encode()) <= 255 for path in saved)

    def test_a_folder_in_the_name(self, bench, server, tmp_path) -> None:
        """A folder inside the name is asked for as a subfolder, not kept here."""
        server.files["output", "trips/lake", "x.png"] = b"here"
        ref = output_of(bench, server, "lake/x.png", subfolder="trips")
        assert ref.save(tmp_path) == tmp_path / "x.png"

    def test_a_subfolder_cannot_leave_either(self, bench, server, tmp_path) -> None:
        """The server's subfolder never becomes a folder here."""
        server.files["output", "../../x", "y.png"] = b"here"
        path = output_of(bench, server, "y.png", subfolder="../../x").save(tmp_path)
        assert path == tmp_path / "y.png"


class TestUploading:
    """Inputs are named by their content and sent once."""

    FILE = InputFile("comfyclient/abc.png", "abc", 4, b"\x89PNG")

    def test_it_arrives(self, bench, server) -> None:
        """The file is in the input folder, under the name the graph gives."""
        name = bench.transport(server.url).upload(self.FILE, deadline=Deadline(5))
        assert name == "comfyclient/abc.png"
        assert server.files["input", "comfyclient", "abc.png"] == b"\x89PNG"

    def test_what_is_there_is_not_sent(self, bench, server) -> None:
        """The same content is sent once, by this process or another."""
        for _ in range(2):
            transport = bench.transport(server.url)
            for _ in range(2):
                transport.upload(self.FILE, deadline=Deadline(5))
        assert server.asked["POST /upload/image"] == 1
        assert server.asked["HEAD /view"] == 4

    @pytest.mark.parametrize("status", [400, 403, 405, 501])
    def test_who_may_not_look_sends(self, bench, server, status: int) -> None:
        """A gateway that lets no HEAD through costs one upload more, and no job."""
        server.always("HEAD /view", Reply(status))
        for _ in range(2):
            bench.transport(server.url).upload(self.FILE, deadline=Deadline(5))
        assert server.asked["POST /upload/image"] == 2

    def test_an_emptied_folder_is_noticed(self, bench, server) -> None:
        """What somebody deleted from the input folder is sent again."""
        transport = bench.transport(server.url)
        transport.upload(self.FILE, deadline=Deadline(5))
        server.files.clear()

        transport.upload(self.FILE, deadline=Deadline(5))

        assert server.asked["POST /upload/image"] == 2

    def test_a_file_of_another_size_is_replaced(self, bench, server) -> None:
        """A half file of that name does not count as there."""
        server.files["input", "comfyclient", "abc.png"] = b"\x89P"
        bench.transport(server.url).upload(self.FILE, deadline=Deadline(5))
        assert server.asked["POST /upload/image"] == 1

    def test_the_servers_name_counts(self, bench, server) -> None:
        """Where the server stored it under another name, that one is used."""
        stored = {"name": "abc (1).png", "subfolder": "comfyclient", "type": "input"}
        server.answer("POST /upload/image", Reply.of_json(stored))
        name = bench.transport(server.url).upload(self.FILE, deadline=Deadline(5))
        assert name == "comfyclient/abc (1).png"

    def test_a_lost_answer(self, bench, server) -> None:
        """An upload whose answer is lost may simply be repeated."""
        server.answer("POST /upload/image", Reply.lost(acts=True))
        transport = bench.transport(server.url)
        with pytest.raises(UnreachableError):
            transport.upload(self.FILE, deadline=Deadline(5))
        assert transport.upload(self.FILE, deadline=Deadline(5)) == self.FILE.name
        assert server.asked["POST /upload/image"] == 1

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(200),
            Reply.of_json([]),
            Reply.of_json({"name": None}),
            Reply.of_json({"name": "a", "subfolder": 1}),
            Reply(200, b"<html>"),
            Reply(400),
            Reply(413),
            Reply(500),
            Reply(404),
        ],
        ids=range(9),
    )
    def test_nonsense(self, bench, server, reply) -> None:
        """An answer that names no file is an error of ours, and is not remembered."""
        server.answer("POST /upload/image", reply)
        transport = bench.transport(server.url)
        with pytest.raises(ComfyClientError):
            transport.upload(self.FILE, deadline=Deadline(5))
        transport.upload(self.FILE, deadline=Deadline(5))


def names_in(folder: Path) -> list[str]:
    """The names of all files in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
