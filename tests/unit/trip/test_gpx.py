"""GPX files as tracks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from comfyclient.errors import TripError
from comfyclient.trip.gpx import read_gpx
from comfyclient.trip.tracks import Track

START = datetime.fromisoformat("2026-04-04T05:20:00+08:00")
HEAD = '<?xml version="1.0"?>\n<gpx xmlns="http://www.topografix.com/GPX/1/1">\n'


def read(folder: Path, content: str, *, max_bytes: int = 100_000) -> Track:
    """The track of a GPX file of that content."""
    path = folder / "track.gpx"
    path.write_text(content, encoding="utf-8")
    return read_gpx(path, start=START, max_bytes=max_bytes)


def error_of(folder: Path, content: str, *, max_bytes: int = 100_000) -> TripError:
    """What is wrong with a GPX file of that content."""
    with pytest.raises(TripError) as caught:
        read(folder, content, max_bytes=max_bytes)
    assert caught.value.file is not None
    assert caught.value.file.endswith("track.gpx")
    return caught.value


def point(lat: str = "30.2", more: str = "") -> str:
    """A track point."""
    return f'<trkpt lat="{lat}" lon="120.1">{more}</trkpt>\n'


def segment(*points: str) -> str:
    """A track of one segment, in a whole file."""
    return f"{HEAD}<trk><trkseg>\n{''.join(points)}</trkseg></trk></gpx>"


def test_points_have_time_altitude_and_speed(tmp_path: Path) -> None:
    """What GPX writers put into a point is read; other elements are not."""
    more = (
        "<ele>62.5</ele><time>2026-04-03T21:22:00Z</time><sat>9</sat>"
        "<extensions><x:speed xmlns:x='y'>10</x:speed></extensions>"
    )
    later = "<ele>63</ele><time>2026-04-03T21:23:00Z</time>"
    track = read(tmp_path, segment(point(more=more), point("30.3", later)))
    assert track.positions == ((30.2, 120.1), (30.3, 120.1))
    assert track.altitudes == (62.5, 63.0)
    assert track.speeds_kmh == (36.0, None)
    assert track.times is not None
    assert track.times[0] == START.timestamp() + 120


def test_segments_become_breaks(tmp_path: Path) -> None:
    """Every segment but the first begins anew, and empty ones count nothing."""
    joint = "</trkseg><trkseg></trkseg><trkseg>"
    content = segment(point(), point(), joint, point(), point(), "</trkseg><trkseg>")
    assert read(tmp_path, content).breaks == (2,)


def test_another_prefix_is_no_other_format(tmp_path: Path) -> None:
    """The names count, not the namespace prefix of the writer."""
    content = segment(point(), point()).replace("<trk", "<g:trk")
    content = content.replace("</trk", "</g:trk")
    content = content.replace("<gpx ", '<gpx xmlns:g="http://x" ')
    assert len(read(tmp_path, content)) == 2


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        (segment(point(), point("91")), 5, "lat 91 is impossible"),
        (segment(point(), point("nan")), 5, "'nan' is not a finite number"),
        (segment(point(), '<trkpt lon="1"/>'), 5, "lat '' is not a finite number"),
        (segment(point(more="<ele>high</ele>")), 4, "ele 'high'"),
        (segment(point(more="<time>noon</time>")), 4, "is not a moment"),
        (segment(point(more="<time>2026-04-04T05:00:00</time>")), 4, "no zone"),
        (segment(point()), None, "a track of 1 point is no route"),
        (segment(), None, "a track of 0 points is no route"),
        (HEAD + "<trk>", 3, "not well-formed"),
        ("not xml at all", 1, "not well-formed"),
        (
            segment(
                point(more="<time>2026-04-03T21:23:00Z</time>"),
                point(more="<time>2026-04-03T21:22:00Z</time>"),
            ),
            5,
            "time runs backwards",
        ),
    ],
)
def test_a_broken_file_is_told_with_its_line(
    tmp_path: Path, content: str, line: int | None, part: str
) -> None:
    """Impossible values, broken XML and useless tracks name where they are."""
    error = error_of(tmp_path, content)
    assert error.line == line
    assert part in error.message


def test_no_entity_is_ever_expanded(tmp_path: Path) -> None:
    """A DOCTYPE, the root of every entity attack, is refused on sight."""
    bomb = (
        '<?xml version="1.0"?>\n<!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa">'
        '<!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>\n'
        "<gpx>&b;&f;</gpx>"
    )
    error = error_of(tmp_path, bomb)
    assert "DOCTYPE" in error.message
    assert error.line == 2


@pytest.mark.parametrize("encoding", ["gbk", "utf-7", "rot13", "none-such", "cp037"])
def test_an_encoding_that_expat_cannot_read_is_a_trip_error(
    tmp_path: Path, encoding: str
) -> None:
    """Whatever the declaration says, the error has file and line."""
    content = f'<?xml version="1.0" encoding="{encoding}"?>\n<gpx>路</gpx>'
    error = error_of(tmp_path, content)
    assert error.line == 1
    assert "encoding" in error.message


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    """Reading stops at the limit, wherever the file would end."""
    content = segment(*[point()] * 5000)
    assert "larger than" in error_of(tmp_path, content, max_bytes=70_000).message


def test_a_missing_file_is_a_trip_error(tmp_path: Path) -> None:
    """The operating system's error does not reach the caller."""
    with pytest.raises(TripError, match="cannot be read"):
        read_gpx(tmp_path / "none.gpx", start=START, max_bytes=10)
