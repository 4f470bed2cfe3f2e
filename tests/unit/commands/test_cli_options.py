"""Which environment a command is about, and what of the configuration counts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.commands.place import find_place
from comfyclient.commands.running import client_of
from comfyclient.errors import ConfigError, UsageError

FILE = """\
default_environment = "test"
templates = ["ours"]
[privacy]
home_radius_m = 2000
[environments.test]
[[environments.test.instances]]
name = "a"
url = "http://a"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def test_an_address_has_the_privacy_of_the_configuration(file: Path) -> None:
    """Nobody's home is told to a server because it was named by its address."""
    place = find_place(file, None, url="http://10.0.0.9:8188")

    assert place.name == "url"
    assert set(place.settings.environments) == {"url"}
    assert place.settings.privacy.home_radius_m == 2000
    assert place.settings.templates == (file.parent / "ours",)
    assert client_of(place).environment == "url"


def test_a_command_about_an_address_names_the_configuration_too(file: Path) -> None:
    """Typed again, it means the same."""
    place = find_place(file, None, url="http://10.0.0.9:8188")

    assert place.command("resume") == (
        f"comfyclient resume --config {file} --url http://10.0.0.9:8188"
    )


def test_two_environments_are_wrong_use(file: Path) -> None:
    """As is one that there is not."""
    with pytest.raises(UsageError, match="two environments"):
        find_place(file, "test", url="http://10.0.0.9:8188")
    with pytest.raises(ConfigError, match="no environment 'prod'"):
        find_place(file, "prod")


@pytest.mark.parametrize(
    ("url", "token_env", "words"),
    [
        ("127.0.0.1:8188", None, "--url: this url has no scheme"),
        ("http://1.cn-shanghai.pai-eas.aliyuncs.com/", None, "no service in its path"),
        ("http://me:s3cr3tTOKEN123", None, "malformed"),
        (
            "http://127.0.0.1:8188",
            "s3cr3t TOKEN123",
            "--token-env: this takes the name",
        ),
    ],
)
def test_an_address_that_is_none_is_wrong_use(
    file: Path, url: str, token_env: str | None, words: str
) -> None:
    """The option is named with what to write; nothing of a secret is shown."""
    with pytest.raises(UsageError, match=words) as caught:
        find_place(file, None, url=url, token_env=token_env)
    assert "s3cr3t" not in str(caught.value)
