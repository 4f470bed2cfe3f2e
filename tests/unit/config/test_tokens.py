"""Tokens of instances: where they are read from, and which cannot be one."""

from __future__ import annotations

import os

import pytest

from comfyclient.config.settings import InstanceSettings, TlsSettings
from comfyclient.config.tokens import read_token, secrets_of
from comfyclient.errors import ConfigError
from comfyclient.wiring import endpoint_of


def instance(**more: object) -> InstanceSettings:
    """An instance's settings."""
    return InstanceSettings(name="a", url="http://h", **more)


class TestTokens:
    """Tokens stand in variables or files, never in the configuration."""

    def test_from_a_variable(self, monkeypatch) -> None:
        """Blanks and line breaks at its ends are not part of it."""
        monkeypatch.setenv("T", " abc\n")
        assert read_token(instance(token_env="T")) == "abc"

    def test_from_a_file(self, tmp_path) -> None:
        """A file's last line break is not part of it."""
        (tmp_path / "t").write_text("abc\n")
        assert read_token(instance(token_file=tmp_path / "t")) == "abc"

    def test_none_at_all(self) -> None:
        """An instance may need none."""
        assert read_token(instance()) is None

    def test_from_a_file_with_a_byte_order_mark(self, tmp_path) -> None:
        """Some editors write one."""
        (tmp_path / "t").write_text("abc", encoding="utf-8-sig")
        assert read_token(instance(token_file=tmp_path / "t")) == "abc"

    @pytest.mark.parametrize(
        ("told", "words"),
        [
            ("'s3cret-token'", "quotes around it"),
            ('"s3cret-token"', "quotes around it"),
            ("“s3cret-token”", "quotes around it"),
            ("<s3cret-token>", "is a placeholder"),
            ("${EAS_TOKEN}", "is a placeholder"),
            ("$EAS_TOKEN", "is a placeholder"),
            ("{{ s3cret-token }}", "is a placeholder"),
            ("…", "is a placeholder"),
            ("Authorization: s3cret-token", "header's name"),
            ("s3cret\ntoken", "line breaks"),
            ("s3cret-tökén", "characters that no header"),
            ("s3cret\x7f-token", "characters that no header"),
        ],
    )
    @pytest.mark.parametrize("source", ["token_env", "token_file"])
    def test_one_that_was_copied_wrongly(
        self, tmp_path, monkeypatch, told: str, words: str, source: str
    ) -> None:
        """It is said which one, what is wrong and what helps, not what it is."""
        (tmp_path / "t").write_text(told)
        monkeypatch.setenv("T", told)
        where = {"token_env": "T", "token_file": tmp_path / "t"}[source]
        with pytest.raises(ConfigError, match=words) as caught:
            read_token(instance(**{source: where}))
        assert f"{source} {where}" in str(caught.value)
        assert caught.value.hint
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("token", ["YWJj+/9==", "a.b-c_d~e", "Bearer x", "Q'"])
    def test_odd_ones_are_taken(self, monkeypatch, token: str) -> None:
        """As they stand there: what one looks like is the service's affair."""
        monkeypatch.setenv("T", token)
        assert read_token(instance(token_env="T")) == token

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "cannot be read: No such file"),
            (b"", "is empty"),
            (b"\n ", "is empty"),
            (b"\xff\xfea\0", "is no UTF-8 text"),
            (b"a" * 65_537, "is larger than 64 KiB"),
        ],
    )
    def test_a_file_that_holds_none(self, tmp_path, content, words: str) -> None:
        """It is named, with what is wrong and what should stand in it."""
        file = tmp_path / "t"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError, match=words) as caught:
            read_token(instance(token_file=file))
        assert f"instance a: token_file {file} " in caught.value.message
        assert "alone on one line" in str(caught.value.hint)

    def test_a_pipe_and_a_folder(self, tmp_path) -> None:
        """What may never answer is refused at once."""
        os.mkfifo(tmp_path / "pipe")
        for file in (tmp_path / "pipe", tmp_path):
            with pytest.raises(ConfigError, match="cannot be read: "):
                read_token(instance(token_file=file))

    @pytest.mark.parametrize("value", [None, "", "\n "])
    def test_a_variable_that_holds_none(self, monkeypatch, value: str | None) -> None:
        """It is named, with its key and its instance."""
        if value is not None:
            monkeypatch.setenv("T", value)
        with pytest.raises(ConfigError, match="instance a: token_env names T, which"):
            read_token(instance(token_env="T"))


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
def test_a_certificate_that_is_not_there(tmp_path, key: str) -> None:
    """The instance, the key and the file are named before anything is sent."""
    missing = str(tmp_path / "nope.pem")
    with pytest.raises(ConfigError, match=rf"a: tls\.{key} {missing} cannot be read"):
        endpoint_of(instance(tls=TlsSettings(**{key: missing})))


def test_what_must_not_be_written_down(monkeypatch) -> None:
    """Token, credentials in headers and URL, the longest first; nothing too short."""
    monkeypatch.setenv("T", "token-1")
    headers = {"X-Api-Key": "header-key", "X-Trace": "nothing-secret"}
    one = instance(token_env="T", headers=headers)
    assert secrets_of(one) == ["header-key", "token-1"]
    two = InstanceSettings(name="b", url="http://u:pass%40word@h/x?sig=a%2Fbcdefgh&n=1")
    found = secrets_of(two)
    assert set(found) == {"pass%40word", "pass@word", "a%2Fbcdefgh", "a/bcdefgh"}
    assert found == sorted(found, key=len, reverse=True)
