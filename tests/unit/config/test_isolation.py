"""What two environments must not share, and what one that only reads may still do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comfyclient.config.settings import Settings, load_settings
from comfyclient.errors import ConfigError

OSS = {
    "kind": "oss",
    "bucket": "nev-aigc",
    "endpoint": "https://oss-cn-shanghai.aliyuncs.com",
}


def instance(name: str, url: str) -> dict[str, Any]:
    """An environment with one instance."""
    return {"instances": [{"name": name, "url": url}]}


def settings(**environments: Any) -> Settings:
    """Settings with these environments."""
    return Settings.model_validate({"environments": environments})


def refusal(**environments: Any) -> str:
    """Why these environments cannot be together."""
    with pytest.raises(ConfigError) as caught:
        settings(**environments)
    return str(caught.value)


def test_environments_apart() -> None:
    """Neighbours with names of their own may live side by side, in one bucket too."""
    apart = settings(
        test={**instance("a", "http://h:1"), "storage": {**OSS, "prefix": "c/test"}},
        prod={**instance("a", "http://h:2"), "storage": {**OSS, "prefix": "c/test-2"}},
        dev={"transport": "embedded"},
    )
    assert [i.name for i in apart.writable_instances("test")] == ["a"]
    assert apart.writes_storage("test")


def test_one_service_in_two_environments() -> None:
    """An instance that two environments name is refused, with names and a remedy."""
    told = refusal(
        test=instance("a", "http://H/api/predict/x/"),
        prod=instance("b", "https://h:443/api/predict/x"),
    )
    assert "instance 'a' of test and 'b' of prod are one service" in told
    assert '[environments.test.shared_with] prod = "…"' in told


def test_the_protected_one_is_not_told_to_only_read() -> None:
    """Where one of two is protected, it is the other that may only read."""
    told = refusal(
        prod={**instance("a", "http://h"), "protected": True},
        test=instance("b", "http://h"),
    )
    assert '[environments.test.shared_with] prod = "…"' in told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"storage": {**OSS, "prefix": "c"}}, {"storage": {**OSS, "prefix": "c/test"}}),
        ({"storage": OSS}, {"storage": {**OSS, "prefix": "c"}}),
        (
            {"storage": {"kind": "mount", "root": "/mnt/a"}},
            {"storage": {"kind": "mount", "root": "/mnt/../mnt/A/b/"}},
        ),
        (
            {"storage": {"kind": "mount", "root": "/mnt/a"}},
            {"transport": "embedded", "engine": {"base_directory": "/mnt/a/engine"}},
        ),
        (
            {"transport": "embedded", "engine": {"base_directory": "/mnt/a"}},
            {"transport": "embedded", "engine": {"base_directory": "/mnt/a"}},
        ),
    ],
)
def test_storage_in_storage(one: Any, other: Any) -> None:
    """Roots that are equal or nested are refused, whichever comes first."""
    for pair in ({"one": one, "two": other}, {"two": other, "one": one}):
        assert "would mix" in refusal(**pair)


def test_a_link_into_anothers_storage(tmp_path: Path) -> None:
    """A link does not hide that a root lies in another's."""
    (tmp_path / "prod").mkdir()
    (tmp_path / "test").symlink_to(tmp_path / "prod")
    one, other = (
        {"storage": {"kind": "mount", "root": str(tmp_path / name)}}
        for name in ("prod", "test/sub")
    )
    assert "would mix" in refusal(one=one, two=other)


def test_an_engine_that_is_not_used_has_no_storage() -> None:
    """The base directory counts only where the transport is the embedded engine."""
    engine = {"base_directory": "/mnt/a"}
    settings(
        one={"engine": engine}, two={"storage": {"kind": "mount", "root": "/mnt/a"}}
    )


def test_a_ledger_may_be_shared() -> None:
    """Its rows hold the environment, so it is no way across."""
    settings(one={"ledger": "sqlite:///a.db"}, two={"ledger": "sqlite:///a.db"})


def test_the_environment_that_nobody_configured() -> None:
    """`local` is there without a word; its engine and its files are its own."""
    assert Settings().writable_instances("local") == ()
    assert settings(test=instance("a", "http://h")).writes_storage("local")


class TestSharedWith:
    """An environment that says what it reads of another."""

    def shared(self, **more: Any) -> Settings:
        """`test` looks at what `prod` makes."""
        return settings(
            test={
                "instances": [
                    {"name": "own", "url": "http://own"},
                    {"name": "look", "url": "http://prod/"},
                ],
                "storage": {**OSS, "prefix": "c"},
                "shared_with": {"prod": "compares pictures"},
                **more,
            },
            prod={
                **instance("p", "http://PROD:80"),
                "storage": {**OSS, "prefix": "c/p"},
            },
        )

    def test_it_may_not_write_what_is_shared(self) -> None:
        """Its own instances are writable; the shared one and the storage are not."""
        found = self.shared()
        assert [i.name for i in found.writable_instances("test")] == ["own"]
        assert not found.writes_storage("test")

    def test_the_owner_writes_as_before(self) -> None:
        """Being read by another takes nothing away."""
        found = self.shared()
        assert [i.name for i in found.writable_instances("prod")] == ["p"]
        assert found.writes_storage("prod")

    def test_it_does_not_lift_what_others_share(self) -> None:
        """A third environment is still kept apart from both."""
        with pytest.raises(ConfigError, match="of prod and 'x' of dev are one"):
            settings(
                test={"shared_with": {"prod": "why"}},
                prod=instance("p", "http://h"),
                dev=instance("x", "http://h"),
            )

    @pytest.mark.parametrize(
        ("shared_with", "words"),
        [
            ({"prdo": "why"}, "no other environment"),
            ({"test": "why"}, "no other environment"),
        ],
    )
    def test_with_whom(self, shared_with: Any, words: str) -> None:
        """It names another environment that is there."""
        with pytest.raises(ConfigError, match=words):
            self.shared(shared_with=shared_with)

    def test_it_has_a_reason(self) -> None:
        """A blank is none."""
        with pytest.raises(ValueError, match="prod"):
            self.shared(shared_with={"prod": ""})

    def test_not_both_only_read(self) -> None:
        """Where each says that it only reads, nobody could submit."""
        one = {**instance("a", "http://h"), "shared_with": {"two": "why"}}
        two = {**instance("b", "http://h"), "shared_with": {"one": "why"}}
        assert "neither may submit" in refusal(one=one, two=two)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"name": "a", "url": "http://two"}, "two instances named 'a'"),
        ({"name": "b", "url": "http://ONE:80/"}, "'a' and 'b' have the same url"),
    ],
)
def test_twins_in_one_environment(other: Any, words: str) -> None:
    """Within an environment, names and addresses are each there once."""
    told = refusal(test={"instances": [{"name": "a", "url": "http://one"}, other]})
    assert words in told


def test_environments_that_differ_in_case_alone() -> None:
    """A file system, a database or a variable may take one for the other."""
    assert "same name but for case" in refusal(Test={}, test={})
    assert "same name but for case" in refusal(**{"a-b": {}, "a_b": {}})


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    """From a file, each has the line of the key that is to be changed."""
    file = tmp_path / "c.toml"
    file.write_text(
        "[[environments.a.instances]]\nname = 'x'\nurl = 'http://h'\n"
        "[[environments.b.instances]]\nname = 'y'\nurl = 'http://h'\n"
        "[environments.b.storage]\nkind = 'mount'\nroot = '/mnt/a'\n"
        "[environments.c.storage]\nkind = 'mount'\nroot = '/mnt/a'\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    told = str(caught.value)
    assert "2 mistakes" in told
    assert f"{file}:6: instance 'x' of a and 'y' of b are one service" in told
    assert f"{file}:12: the storage of b (/mnt/a) and of c (/mnt/a)" in told
