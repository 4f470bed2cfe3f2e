"""The configuration: where it is read from, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.config.settings import (
    Settings,
    default_ledger,
    find_file,
    load_settings,
)
from comfyclient.errors import ConfigError

GOOD = """
default_environment = "test"

[environments.test]
transport = "comfyui"
comfyui_version = ">=0.3.45"

[[environments.test.instances]]
name = "l20-a"
url = "http://127.0.0.1:8188/api/predict/x"
token_env = "EAS_TEST_TOKEN"

[environments.test.pins]
trip-postcard = "~=1.0"

[environments.test.deadlines]
total_s = 600

[privacy]
home_radius_m = 500
"""


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration file above the working directory."""
    monkeypatch.chdir(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    """A configuration file."""
    file = tmp_path / "c.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_configured_is_local() -> None:
    """Without any file there is one environment, on the embedded engine."""
    name, environment = load_settings().environment(None)
    assert (name, environment.transport) == ("local", "embedded")


def test_a_whole_file(tmp_path: Path) -> None:
    """What the design shows can be read; what it leaves out has its default."""
    name, environment = load_settings(written(tmp_path, GOOD)).environment(None)
    assert name == "test"
    assert environment.instances[0].window == 2
    assert environment.deadlines.queue_s == 300
    assert environment.pins == {"trip-postcard": "~=1.0"}


def test_local_is_always_there(tmp_path: Path) -> None:
    """A file with other environments does not take `local` away."""
    settings = load_settings(written(tmp_path, GOOD))
    assert settings.environment("local")[1].transport == "embedded"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("defaults = 1", 1, "unknown key defaults"),
        ("\n[environments.test]\ntransprot = 'comfyui'", 3, "did you mean 'transport'"),
        ("[environments.test]\n\ntransport = 'smtp'", 3, "got 'smtp'"),
        ("[environments.t.deadlines]\ntotal_s = 0", 2, "greater than 0"),
        ("[environments.t.deadlines]\ntotal_s = inf", 2, "total_s"),
        ("[environments.t.deadlines]\ntotal_s = nan", 2, "total_s"),
        ("[environments.t.deadlines]\nqueue_s = 'soon'", 2, "got 'soon'"),
        ("[environments.t]\ncomfyui_version = 'new'", 2, "no version range"),
        ("[environments.t.pins]\na = '1.0'", 2, "no version range"),
        ("[environments.t]\ncomfyui_version = '>=2,<1'", 2, "exclude each other"),
        ("[environments.t.pins]\na = '==1.*,!=1.*'", 2, "no version is in this range"),
        ("\nlock = false", 2, "lock: Input should be a path, got False"),
        ("a = 1\nb = [", 2, "this is not TOML"),
        ("a = 1\nb = http://x\nc = 2", 2, "this is not TOML"),
        (
            "[[environments.t.instances]]\nname='a'\nurl='http://h'\n"
            "tls = { key_file = 'k' }",
            4,
            "name that too, in cert_file",
        ),
        ("[privacy]\nhome_radius_m = -1", 2, "greater than or equal to 0"),
        (
            "[[environments.t.instances]]\nname='a'\nurl='u'\n"
            "[[environments.t.instances]]\nname='b'\nurl='u'\nwindow = 0",
            7,
            "greater than or equal to 1",
        ),
        ("[[environments.t.instances]]\nname='a'", 1, "url: Field required"),
        ("environments = 7", 1, "environments"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, line, words) -> None:
    """A wrong key or value names file, line, key and what would be right."""
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert f"{file}:{line}:" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["= 1", "[a", "a = 'x", "\x00", "a = 1\na = 2"])
def test_what_is_no_toml(tmp_path: Path, text: str) -> None:
    """A file that is no TOML is named."""
    with pytest.raises(ConfigError, match="not TOML"):
        load_settings(written(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file in another encoding is named."""
    file = tmp_path / "c.toml"
    file.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match=r"c\.toml is not TOML"):
        load_settings(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[environments.'a b']\n", "no name for an environment"),
        ("[environments.'../x']\n", "no name for an environment"),
        (
            "[[environments.t.instances]]\nname='a'\nurl='http://h'\n" * 2,
            "two instances named 'a'",
        ),
    ],
)
def test_names_that_would_mix_things_up(tmp_path, text, words) -> None:
    """A name becomes a file name and a key: it must be fit for both, and alone."""
    with pytest.raises(ConfigError, match=words):
        load_settings(written(tmp_path, text))


def test_an_unknown_environment(tmp_path: Path) -> None:
    """A wrong name lists the right ones."""
    settings = load_settings(written(tmp_path, GOOD))
    with pytest.raises(ConfigError, match="did you mean 'test'"):
        settings.environment("tset")


def test_an_environment_without_instances() -> None:
    """An environment that has nowhere to send a job says what to add."""
    settings = Settings.model_validate({"environments": {"t": {}}})
    with pytest.raises(ConfigError, match=r"\[\[environments\.t\.instances\]\]"):
        settings.environment("t")


class TestWhereItIsFound:
    """Argument, variable, working directory and above, user's folder."""

    def test_the_argument_comes_first(self, tmp_path, monkeypatch) -> None:
        """A file that is named wins over all others."""
        named, other = tmp_path / "a.toml", tmp_path / "comfyclient.toml"
        for file in (named, other):
            file.write_text("")
        monkeypatch.setenv("COMFYCLIENT_CONFIG", str(other))
        assert find_file(named) == named
        assert find_file(None) == other

    @pytest.mark.parametrize("by", ["argument", "variable"])
    def test_one_that_is_named_must_exist(self, tmp_path, monkeypatch, by) -> None:
        """A missing file is not passed over in silence."""
        missing = str(tmp_path / "no.toml")
        if by == "variable":
            monkeypatch.setenv("COMFYCLIENT_CONFIG", missing)
        with pytest.raises(ConfigError, match=r"no\.toml"):
            find_file(missing if by == "argument" else None)

    def test_above_the_working_directory(self, tmp_path, monkeypatch) -> None:
        """A project's file is found from its subfolders."""
        (tmp_path / "comfyclient.toml").write_text("")
        (tmp_path / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a" / "b")
        assert find_file(None) == tmp_path / "comfyclient.toml"


def test_each_environment_has_its_own_ledger() -> None:
    """Two environments never share a ledger by default."""
    assert default_ledger("test") != default_ledger("prod")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
def test_a_path_that_no_system_takes(name: str) -> None:
    """A configuration path that cannot even be looked for is named as no file."""
    with pytest.raises(ConfigError, match="which is no file"):
        load_settings(name)
