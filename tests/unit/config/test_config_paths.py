"""Relative paths of a configuration: where each is taken from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from comfyclient.config.settings import Settings, load, load_settings
from comfyclient.errors import ConfigError

from .written import FILE

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestRelativePaths:
    """Where a path is taken from that does not begin at the root."""

    @pytest.fixture
    def loaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        """A file with relative paths, read from another working directory."""
        file = tmp_path / "project" / "comfyclient.toml"
        (tmp_path / "project" / "sub").mkdir(parents=True)
        file.write_text(
            FILE.replace('"http://b"', "'http://b'\ntoken_file = 'tokens/b'")
            + "ledger = 'sqlite:///jobs.db?timeout=5'\n"
            "pins = { root = '~=1.0', ledger = '==2.0' }\n"
            "[environments.prod-eu.engine]\nbase_directory = '~/engine'\n"
            "[environments.c]\nledger = 'sqlite:////abs/jobs.db'\n"
            "storage = { kind = 'mount', root = '../pictures' }\n"
        )
        monkeypatch.chdir(file.parent / "sub")
        overrides = {"environments.test.instances.l20-a.token_file": "tokens/a"}
        return load_settings(overrides=overrides)

    def test_of_the_file(self, loaded: Settings, tmp_path: Path) -> None:
        """They stand beside it, wherever the program was started."""
        project = tmp_path / "project"
        one, two = loaded.environments["test"], loaded.environments["prod-eu"]
        assert one.instances[1].token_file == project / "tokens/b"
        assert two.ledger == f"sqlite:///{project / 'jobs.db'}?timeout=5"
        assert two.engine.base_directory == Path.home() / "engine"
        three = loaded.environments["c"]
        assert three.ledger == "sqlite:////abs/jobs.db"
        assert three.storage.root == project / "../pictures"

    def test_folders_of_templates(self, tmp_path: Path) -> None:
        """Each of several paths, too; a variable has them as `PATH` has."""
        file = tmp_path / "comfyclient.toml"
        file.write_text('templates = ["ours", "../shared", "/abs"]')
        variables = {"COMFYCLIENT_TEMPLATES": f"a{os.pathsep}/b"}
        named = load(file).settings.templates
        given = load(file, variables=variables)
        assert named == (tmp_path / "ours", tmp_path / "../shared", Path("/abs"))
        assert given.settings.templates == (Path("a"), Path("/b"))
        assert str(given.sources.origin(("templates",))) == (
            "variable COMFYCLIENT_TEMPLATES"
        )

    @pytest.mark.parametrize("wrong", ["[1]", "{}", '[["a"]]', "7"])
    def test_what_is_no_folder(self, tmp_path: Path, wrong: str) -> None:
        """The error names the line."""
        file = tmp_path / "comfyclient.toml"
        file.write_text(f"\ntemplates = {wrong}")
        with pytest.raises(ConfigError, match=r"comfyclient\.toml:2: templates"):
            load(file)

    def test_only_paths(self, loaded: Settings) -> None:
        """A name of the user's that is a path's elsewhere means nothing."""
        pins = loaded.environments["prod-eu"].pins
        assert pins == {"root": "~=1.0", "ledger": "==2.0"}

    def test_of_an_argument(self, loaded: Settings) -> None:
        """Who types one means the place where they are."""
        instance = loaded.environments["test"].instances[0]
        assert instance.token_file == Path("tokens/a")
