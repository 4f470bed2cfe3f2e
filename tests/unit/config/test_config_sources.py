"""Defaults, file, environment variables, arguments: which wins, and how it is told."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from comfyclient.config.settings import (
    ConfigWarning,
    EnvironmentSettings,
    Loaded,
    Settings,
    load,
    load_settings,
)
from comfyclient.errors import ConfigError

from .written import FILE

pytestmark = pytest.mark.usefixtures("elsewhere")

UNDER = "COMFYCLIENT_ENVIRONMENTS__TEST__"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file that is found by itself."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def test_the_order(file: Path) -> None:
    """Defaults, then the file, then variables, then arguments; each says where from."""
    key = ("environments", "test", "deadlines", "total_s")

    def total(**given: Any) -> tuple[float, str]:
        loaded = load(file, **given)
        deadlines = loaded.settings.environments["test"].deadlines
        return deadlines.total_s, str(loaded.sources.origin(key))

    variables = {f"{UNDER}DEADLINES__TOTAL_S": "800"}
    overrides = {"deadlines.total_s": "700"}
    assert total(variables={}) == (900, f"{file}:13")
    assert total(variables=variables) == (800, f"variable {UNDER}DEADLINES__TOTAL_S")
    assert total(variables=variables, overrides=overrides) == (
        700,
        "argument deadlines.total_s",
    )
    file.write_text(FILE.replace("total_s", "queue_s"))
    assert total(variables={}) == (600, "default")


def test_the_real_environment_is_read(file: Path, monkeypatch) -> None:
    """Without further words it is the process's own variables that count."""
    monkeypatch.setenv("COMFYCLIENT_ENVIRONMENT", "prod-eu")
    monkeypatch.setenv(f"{UNDER}REGION", "cn-beijing")
    settings = load_settings()
    assert settings.default_environment == "prod-eu"
    assert settings.environments["test"].region == "cn-beijing"


class TestVariables:
    """Their names are keys, in capitals, with two low lines for a dot."""

    def given(self, file: Path | None, **variables: str) -> Loaded:
        """The settings with these variables."""
        return load(file, variables=variables)

    @pytest.mark.parametrize(
        ("name", "value", "got"),
        [
            ("PROTECTED", "true", lambda e: e.protected is True),
            ("PINS__TRIP_POSTCARD", "==1.2.0", lambda e: e.pins["trip-postcard"]),
            ("PINS__NEW_ONE", "==1.2.0", lambda e: e.pins["new-one"]),
            ("INSTANCES__L20_A__WINDOW", "7", lambda e: e.instances[0].window == 7),
            ("INSTANCES__L20_B__WINDOW", "7", lambda e: e.instances[1].window == 7),
            ("INSTANCES__C_D__URL", "http://c", lambda e: e.instances[2].name == "c-d"),
            (
                "INSTANCES__L20_A__HEADERS__X_TRACE",
                "off",
                lambda e: e.instances[0].headers == {"X-Trace": "off"},
            ),
            (
                "INSTANCES__L20_A__TLS__CA_FILE",
                "/ca",
                lambda e: e.instances[0].tls.ca_file == "/ca",
            ),
            ("REGION", "", lambda e: e.region == "cn-shanghai"),
        ],
    )
    def test_any_key(self, file: Path, name: str, value: str, got: Any) -> None:
        """Every value can be set; names mean those of the file that fit."""
        loaded = self.given(file, **{f"{UNDER}{name}": value})
        assert got(loaded.settings.environments["test"])

    def test_without_a_file(self) -> None:
        """An environment can be made of variables alone."""
        settings = self.given(
            None,
            COMFYCLIENT_ENVIRONMENT="ci",
            COMFYCLIENT_ENVIRONMENTS__CI__INSTANCES__A__URL="http://a",
            COMFYCLIENT_PRIVACY__HOME_RADIUS_M="900",
        ).settings
        name, environment = settings.environment(None)
        assert (name, environment.instances[0].url) == ("ci", "http://a")
        assert settings.privacy.home_radius_m == 900

    def test_of_the_embedded_engine(self) -> None:
        """`local` stays on the engine, whatever else is said of it."""
        loaded = self.given(
            None, COMFYCLIENT_ENVIRONMENTS__LOCAL__ENGINE__VERSION="0.3.45"
        )
        _, environment = loaded.settings.environment("local")
        assert environment.transport == "embedded"
        assert environment.engine.version == "0.3.45"

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            (f"{UNDER}DEADLINES__TOTL_S", "did you mean 'total_s'"),
            (f"{UNDER}DEADLINE__TOTAL_S", "did you mean 'deadlines'"),
            (f"{UNDER}INSTANCES__L20_A__WINDWO", "did you mean 'window'"),
            ("COMFYCLIENT_ENVIROMENTS__TEST__REGION", "did you mean 'environments'"),
            ("COMFYCLIENT_ENVIROMENT", "did you mean 'COMFYCLIENT_ENVIRONMENT'"),
            ("COMFYCLIENT_CONFIGS", "did you mean 'COMFYCLIENT_CONFIG'"),
            (
                "COMFYCLIENT_ENVIRONMENTS__TSET__DEADLINES__TOTAL_S",
                "did you mean 'test'",
            ),
            (f"{UNDER}INSTANCES__L20_C__WINDOW", "url: Field required"),
            (f"{UNDER}DEADLINES__TOTAL_S__X", "is a value"),
            (f"{UNDER}DEADLINES", "is a table"),
            (f"{UNDER}", "unknown key"),
            ("COMFYCLIENT___", "unknown key"),
        ],
    )
    def test_a_mistake_names_the_variable(
        self, file: Path, name: str, words: str
    ) -> None:
        """What is misspelt is an error, never passed over."""
        with pytest.raises(ConfigError) as caught:
            self.given(file, **{name: "9"})
        assert name in str(caught.value)
        assert words in str(caught.value)

    def test_a_bad_value_names_the_variable(self, file: Path) -> None:
        """Not the file, which is right."""
        with pytest.raises(ConfigError) as caught:
            self.given(file, **{f"{UNDER}DEADLINES__TOTAL_S": "soon"})
        assert f"variable {UNDER}DEADLINES__TOTAL_S: " in str(caught.value)
        assert "got 'soon'" in str(caught.value)
        assert str(file) not in str(caught.value)

    def test_one_that_may_mean_two(self, file: Path) -> None:
        """Names that a variable cannot tell apart are told of."""
        file.write_text(FILE.replace("trip-postcard =", "a-b = '==1.0', 'a_b' ="))
        with pytest.raises(ConfigError, match="may be 'a-b' or 'a_b'"):
            self.given(file, **{f"{UNDER}PINS__A_B": "==2.0"})

    @pytest.mark.parametrize(
        "name", ["COMFYCLIENT_FONT", "COMFYCLIENT_HOUSE", "COMFYCLIENTS__X", "OTHER__A"]
    )
    def test_others_are_left_alone(self, file: Path, name: str) -> None:
        """Variables that are none of the configuration's do no harm."""
        assert self.given(file, **{name: "x"}).settings == load_settings(file)

    def test_where_the_file_has_something_else(self, file: Path) -> None:
        """The file's mistake is told, and the variable does not hide it."""
        file.write_text("environments = 7")
        with pytest.raises(ConfigError, match=r"toml:1: .*should be a table, got 7"):
            self.given(file, **{f"{UNDER}REGION": "cn-beijing"})
        file.write_text("environments.test.instances = 'x'")
        with pytest.raises(ConfigError, match="should be an array of tables"):
            self.given(file, **{f"{UNDER}INSTANCES__A__URL": "http://a"})


class TestArguments:
    """Dotted keys, of the environment or of the whole."""

    @pytest.mark.parametrize(
        "overrides",
        [
            {"deadlines.queue_s": 5},
            {"environments.test.deadlines.queue_s": 5.0},
            {"deadlines": {"queue_s": "5"}},
            {"environments": {"test": {"deadlines": {"queue_s": 5}}}},
            {" deadlines . 'queue_s' ": 5},
        ],
    )
    def test_a_key(self, file: Path, overrides: dict[str, object]) -> None:
        """Written flat or nested, it is the same."""
        settings = load_settings(file, overrides=overrides)
        assert settings.environments["test"].deadlines.queue_s == 5

    def test_of_the_environment_that_is_asked_for(self, file: Path) -> None:
        """A short key is one of that environment, which becomes the default one."""
        settings = load_settings(
            file, environment="prod-eu", overrides={"region": "eu-central-1"}
        )
        assert settings.default_environment == "prod-eu"
        assert settings.environments["prod-eu"].region == "eu-central-1"
        assert settings.environments["test"].region == "cn-shanghai"

    def test_an_instance_by_its_name(self, file: Path) -> None:
        """A name with a dot in it is quoted."""
        overrides = {"instances.'l20.b'.window": 9, "instances.l20-a.window": 8}
        test = load_settings(file, overrides=overrides).environments["test"]
        assert [one.window for one in test.instances] == [8, 9]

    @pytest.mark.parametrize(
        ("overrides", "words"),
        [
            ({"deadlines.totl_s": 1}, "did you mean 'total_s'"),
            ({"a b": 1}, "is no key"),
            ({"": 1}, "is no key"),
            ({"deadlines.total_s": "soon"}, "argument deadlines.total_s: "),
            ({"deadlines": 5}, "is a table"),
            ({"environments.tset.region": "cn-beijing"}, "did you mean 'test'"),
            ({"instances.L20-A.window": 1}, "url: Field required"),
            ({"protected": object()}, "argument protected: "),
        ],
    )
    def test_a_mistake_names_the_argument(
        self, file: Path, overrides: dict[str, object], words: str
    ) -> None:
        """A wrong key or value is told by the key that was given."""
        with pytest.raises(ConfigError) as caught:
            load_settings(file, overrides=overrides)
        assert "argument" in str(caught.value)
        assert words in str(caught.value)

    def test_an_unknown_environment(self, file: Path) -> None:
        """A name that is not there is an error at once."""
        with pytest.raises(ConfigError) as caught:
            load_settings(file, environment="tset")
        assert "argument environment: there is no environment 'tset'" in str(
            caught.value
        )
        assert "did you mean 'test'" in str(caught.value)


class TestMistakes:
    """All of them, each with its place and what would be right."""

    def test_all_at_once(self, file: Path) -> None:
        """From all sources, in one error."""
        file.write_text(
            "[environments.test.polices]\n\n"
            "[environments.test.deadlines]\ntotal_s = -1\nqeue_s = 5\n"
            "[environments.test.storage]\nkind = 'oss'\nbucket = 'b'\n"
            "[[environments.test.instances]]\nname = 'a'\nurl = 'ftp://a'\n"
            "token_env = 'A'\ntoken_file = '/a'\n"
            "[environments.test]\nregion = 'Shanghai'\ncomfyui_version = ''\n"
        )
        with pytest.raises(ConfigError) as caught:
            load(
                file,
                variables={f"{UNDER}WINDOW": "1", f"{UNDER}PROTECTED": "perhaps"},
                environment="test",
                overrides={"policies.resubmit_lost": -1},
            )
        told = str(caught.value)
        for words in (
            ":1: unknown key environments.test.polices (did you mean 'policies'?)",
            ":4: environments.test.deadlines.total_s: Input should be greater than 0",
            ":5: unknown key environments.test.deadlines.qeue_s (did you mean 'queue_s",
            ":6: environments.test.storage: kind 'oss' needs endpoint",
            ":11: environments.test.instances[0].url: this url has",
            ":15: environments.test.region: this is no region",
            ":16: environments.test.comfyui_version: this is no version range",
            f"variable {UNDER}WINDOW: unknown key environments.test.window",
            f"variable {UNDER}PROTECTED: environments.test.protected: ",
            "argument policies.resubmit_lost: environments.test.policies.resubmit_lost",
        ):
            assert words in told

    def test_two_tokens(self, file: Path) -> None:
        """Only one place may say where the token is."""
        file.write_text(FILE.replace('"http://a"', "'http://a'\ntoken_env = 'A'"))
        load_settings(file)
        file.write_text(
            FILE.replace('"http://a"', "'http://a'\ntoken_env='A'\ntoken_file='a'")
        )
        with pytest.raises(ConfigError, match=r"both say .*: keep one$"):
            load_settings(file)

    def test_endless_ones(self, file: Path) -> None:
        """The first are told, and how many there are."""
        file.write_text("".join(f"key_{n} = 1\n" for n in range(500)))
        with pytest.raises(ConfigError) as caught:
            load_settings(file)
        assert "500 mistakes" in str(caught.value)
        assert "and 480 more" in str(caught.value)

    def test_by_hand_no_value_is_shown(self) -> None:
        """pydantic's own errors do not quote what may be a token."""
        with pytest.raises(ValueError, match="url") as caught:
            Settings.model_validate(
                {"environments": {"a": {"instances": [{"name": "a", "url": "s3cret"}]}}}
            )
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("text", ["a = " + "[" * 9000, "a = " + "9" * 9000])
    def test_what_breaks_the_parser(self, file: Path, text: str) -> None:
        """Depth and numbers beyond all bounds are errors of the file's."""
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"comfyclient\.toml"):
            load_settings(file)

    def test_a_byte_order_mark(self, file: Path) -> None:
        """Some editors write one; it is no mistake."""
        file.write_text(FILE, encoding="utf-8-sig")
        assert load_settings(file).default_environment == "test"


class TestSecretsInTheFile:
    """They work, with a warning that says how to do better."""

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ('"http://a"', '"http://a"\ntoken = "s3cret-1"', "token_env, or a file"),
            ('"http://a"', '"http://u:s3cret-1@a"', f"{UNDER}INSTANCES__L20_A__URL"),
            ('"http://b"', '"http://b?token=s3cret-1"', "INSTANCES__L20_B__URL"),
            ("X-Trace", "X-Api-Key", "INSTANCES__L20_A__HEADERS__X_API_KEY"),
            ('"on"', '"Bearer s3cret-1"', "INSTANCES__L20_A__HEADERS__X_TRACE"),
            ("region", "ledger = 'pg://u:s3cret-1@h'\nregion", f"{UNDER}LEDGER"),
        ],
        ids=["token", "password", "query", "header_name", "header_value", "ledger"],
    )
    def test_one(self, file: Path, old: str, new: str, words: str) -> None:
        """The warning names line and remedy, and neither it nor repr shows it."""
        file.write_text(FILE.replace(old, new))
        with pytest.warns(ConfigWarning) as caught:
            settings = load_settings(file)
        (warning,) = caught
        assert words in str(warning.message)
        assert f"{file}:" in str(warning.message)
        assert warning.filename == __file__
        assert "s3cret" not in str(warning.message) + repr(settings)

    def test_one_that_comes_from_elsewhere(self, file: Path) -> None:
        """A variable is where secrets may be: following the advice ends the warning."""
        variables = {
            f"{UNDER}INSTANCES__L20_A__TOKEN": "s3cret",
            f"{UNDER}INSTANCES__L20_B__HEADERS__X_API_KEY": "s3cret",
            f"{UNDER}LEDGER": "postgresql://u:s3cret@h/db",
        }
        loaded = load(file, variables=variables)
        token = loaded.settings.environments["test"].instances[0].token
        assert token is not None
        assert token.get_secret_value() == "s3cret"
        assert loaded.warnings == ()
        assert "s3cret" not in repr(loaded)

    def test_none_at_all(self, file: Path) -> None:
        """A file without secrets warns of nothing."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_settings(file)


def test_settings_by_hand_are_checked_alike() -> None:
    """A default environment that is not there is refused, however it was said."""
    with pytest.raises(ConfigError, match="there is no environment 'tset'"):
        Settings(
            default_environment="tset", environments={"test": EnvironmentSettings()}
        )
