"""Folders: names stay inside, counters go on, prefixes are filled."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyclient.local.folders import Folders, OutsideFolderError, within


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Prepared folders."""
    folders = Folders(tmp_path / "base")
    folders.prepare()
    return folders


@pytest.mark.parametrize(
    "name", ["..", "../x", "/etc/passwd", "a/../../x", "a\0b", "../base2/x"]
)
def test_names_that_leave_are_refused(name: str, tmp_path: Path) -> None:
    """Parent folders, absolute paths and NUL never leave the folder."""
    with pytest.raises(OutsideFolderError):
        within(tmp_path / "base", name)


@given(st.text(max_size=40))
def test_any_name_is_inside_or_refused(name: str) -> None:
    """Whatever the name, the path is below the folder, or there is none."""
    folder = Path("/somewhere/base")
    try:
        path = within(folder, name)
    except OutsideFolderError:
        return
    assert path.is_relative_to(folder)
    assert ".." not in path.parts


@pytest.mark.parametrize(
    ("name", "plain", "kind"),
    [
        ("x.png [output]", "x.png", "output"),
        ("sub/x.png [temp]", "sub/x.png", "temp"),
        ("x.png [input]", "x.png", "input"),
        ("x.png", "x.png", "input"),
        ("x [other]", "x [other]", "input"),
    ],
)
def test_annotations_choose_the_folder(
    folders: Folders, name: str, plain: str, kind: str
) -> None:
    """A name may say in square brackets which folder it is in."""
    assert folders.input_file(name) == folders.base / kind / plain


def test_counter_goes_on_after_the_highest(folders: Folders) -> None:
    """The next number follows the highest of that stem, per folder."""
    for name in ("a_00001_.png", "a_00007_.png", "a_x_00099_.png", "b_00050_.png"):
        (folders.output / name).touch()

    place = folders.save_place("a", root=folders.output)

    assert (place.stem, place.counter, place.subfolder) == ("a", 8, "")
    assert folders.save_place("sub/a", root=folders.output).counter == 1


def test_prefix_is_filled_and_may_name_subfolders(folders: Folders) -> None:
    """The picture's size goes into the name; folders on the way are made."""
    prefix = "deep/er/p_%width%x%height%_%date:yyyy%"

    place = folders.save_place(prefix, root=folders.output, width=64, height=48)

    assert place.folder == folders.output / "deep" / "er"
    assert place.folder.is_dir()
    assert place.stem == "p_64x48_%date:yyyy%"  # this one is the front end's
    assert place.subfolder == "deep/er"


def test_year_in_a_prefix_is_this_one(folders: Folders) -> None:
    """Parts of the date have fixed widths."""
    place = folders.save_place("%year%%month%%day%", root=folders.output)

    assert len(place.stem) == 8
    assert place.stem.isdigit()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(prefix=st.text(alphabet="ab./%_é 漢", max_size=12))
def test_no_prefix_leaves_the_output_folder(folders: Folders, prefix: str) -> None:
    """Any prefix gives a place below the folder, or an error."""
    try:
        place = folders.save_place(prefix, root=folders.output)
    except OutsideFolderError:
        return
    assert place.folder.is_relative_to(folders.output)
