"""Damaged configurations: a clear error or valid settings, and never a secret."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyclient.commands.config import Row, rows_of
from comfyclient.config.settings import Loaded, Settings, load
from comfyclient.config.shapes import Table, values_of
from comfyclient.errors import ConfigError

SECRETS = (
    "MTIzNDU2Nzg5MGFiY2RlZjEyMzQ1Ng==",
    "pw-7f3a9c1e5b2d",
    "sk-0a1b2c3d4e5f6a7b8c9d",
    "LTAI5tQmW2eRt7yU9iOp",
    "dXNlcjpwYXNzd29yZDEyMw",
)

RICH = f'''# who runs what, and where
default_environment = "test"
templates = ["ours", "../shared"]

[environments.test]
transport = "comfyui"
comfyui_version = ">=0.3.45,<0.40"
ledger = "postgresql://jobs:{SECRETS[1]}@db.example.com:5432/jobs"
region = "cn-shanghai"
shared_with = {{ prod = "compares its outputs" }}

[[environments.test.instances]]
name = "l20-a"
url = "http://1234.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy_test"
token = "{SECRETS[0]}"
token_scheme = "Bearer"
window = 4
weight = 1.5
headers = {{ "X-Api-Key" = "{SECRETS[2]}", X-Trace = "on" }}

[[environments.test.instances]]
name = "l20-b"
url = "https://comfy.example.com:8443/b?access_key={SECRETS[3]}"
poll_only = true
[environments.test.instances.tls]
verify = false
ca_file = """/etc/ssl/ours.pem"""

[environments.test.storage]
kind = "oss"
bucket = 'nev-aigc'
endpoint = "https://oss-cn-shanghai-internal.aliyuncs.com"
prefix = "comfyui/test/"

[environments.test.pins]
trip-postcard = "~=1.0"
"trip.poster" = "==2.1.0"

[environments.test.deadlines]
total_s = 900
queue_s = 3e2
silence_s = 0x78

[environments.prod]
protected = true
region = "cn-shanghai"
instances = [
  {{ name = "p-1", url = "http://u:{SECRETS[4]}@10.0.0.7:8188" }},
  {{ name = "p-2", url = "http://10.0.0.8:8188", token_env = "PROD_TOKEN" }}, # new
]
policies.resubmit_lost = 2
policies.on_timeout = "leave"
storage = {{ kind = "mount", root = "/mnt/prod" }}

[environments.dev]
transport = "embedded"
preflight = "warn"
snapshot = "dev.json.gz"
engine = {{ version = "0.33.0", base_directory = "/tmp/comfy" }}

[privacy]
home_radius_m = 750.0
'''

ODD = (
    "", "=", "[", "]]", "{", "}", ",", ".", '"', "'", '"""', "#", "\n", "\r", "\0",
    "\\", "\\u0000", "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"),
    "nan", "inf", "-1", "0", "1e999", "true", "'x'", '"é\u202e"', "9" * 400,
    "0x" + "f" * 400, "1979-05-27", "[]", "{}", '""', "[environments]",
    "[[environments]]", "[environments.test]", "name", "environments", "[[[[",
)  # fmt: skip
"""What is put into a text, or in the place of a part of it."""

Mutation = Callable[[random.Random, str], bytes]


def bytewise(chance: random.Random, text: str) -> bytes:
    """Bytes that are lost, changed, doubled or moved."""
    data = bytearray(text.encode())
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(data)), chance.choice((1, 1, 2, 5, 40))
        piece = bytes(data[at : at + length])
        new = chance.choice((b"", piece * 2, piece[::-1], chance.randbytes(length)))
        data[at : at + length] = new
    return bytes(data)


def tokenwise(chance: random.Random, text: str) -> bytes:
    """Words and signs that are lost, odd, or in one another's place."""
    tokens = re.findall(r'"[^"\n]*"|[\w.-]+|\s+|.', text)
    for _ in range(chance.randint(1, 3)):
        here, there = chance.randrange(len(tokens)), chance.randrange(len(tokens))
        match chance.randrange(60):
            case 0:
                tokens[here], tokens[there] = tokens[there], tokens[here]
            case 1:
                tokens[here] = chance.choice(ODD)
            case 2:
                tokens[here] = tokens[there]
            case _:
                tokens[here] = misspelt(chance, tokens[here])
    return "".join(tokens).encode()


def linewise(chance: random.Random, text: str) -> bytes:
    """Lines that are lost, doubled, moved, or have one another's values."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        here, there = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(60):
            case 0:
                del lines[here]
            case 1:
                lines.insert(there, lines[here])
            case 2:
                lines.insert(there, lines.pop(here))
            case _:
                key, equals, _ = lines[here].partition("=")
                lines[here] = f"{key}{equals}{lines[there].partition('=')[2]}\n"
    return "".join(lines).encode()


def misspelt(chance: random.Random, word: str) -> str:
    """A word with a slip in it."""
    at = chance.randrange(len(word) + 1)
    return word[:at] + chance.choice(("", "x", "_", "é", word[:1])) + word[at + 1 :]


def variables(chance: random.Random) -> dict[str, str]:
    """None, or a few that mean keys of the file, more or less."""
    found: dict[str, str] = {}
    names = ("test", "PROD", "L20_A", "p-1", "tset", "X_API_KEY", "new one")
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        location, _ = chance.choice(list(values_of(Table(Settings))))
        words = [chance.choice(names) if part == "*" else part for part in location]
        name = "__".join(map(str, words)).upper()
        if chance.random() < 0.3:
            name = misspelt(chance, name)
        found[f"COMFYCLIENT_{name}"] = chance.choice(
            (*ODD, *SECRETS, "900", "http://h", "sqlite:///x", ">=1", "PROD_TOKEN")
        )
    return found


def rows(loaded: Loaded) -> Iterator[Row]:
    """What `config show` says of all environments."""
    for name, environment in loaded.settings.environments.items():
        yield from rows_of(loaded, name, environment)


def in_a_path(loaded: Loaded) -> str:
    """What stands where any text may stand."""
    free = ("root", "_file", "base_directory", "bucket", "prefix", "shared_with.prod")
    free += ("workspace", "text", "vision", "picture", "forbidden", "result_hosts")
    free += ("lock", "templates", "cache", "snapshot", "parking")
    return "\n".join(
        f"{row.value}"
        for row in rows(loaded)
        if row.key.endswith(free) or "aliases" in row.key
    )


def check(file: Path, given: dict[str, str]) -> bool:
    """Whether a configuration is valid; fails where it is neither that nor told."""
    try:
        loaded = load(file, variables=given)
    except ConfigError as error:
        valid, shown, misplaced = False, str(error), ""
        assert any(place in shown for place in (str(file), *given)), shown
    else:
        valid, misplaced = True, in_a_path(loaded)
        values = [f"{row.value}" for row in rows(loaded)]
        shown = "\n".join([repr(loaded), *loaded.warnings, *values])
    assert not [one for one in SECRETS if one in shown and one not in misplaced], shown
    assert len(shown) < 60_000
    return valid


def test_the_file_that_is_mutated_is_valid(tmp_path: Path) -> None:
    """Whatever is refused below is refused for its mutation."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(RICH, encoding="utf-8")
    assert check(file, {})


def mutated_files(folder: Path, mutation: Mutation, seed: int, *, number: int) -> int:
    """Try a number of mutated files; how many are valid."""
    chance = random.Random(f"{mutation.__name__}-{seed}")
    file = folder / "comfyclient.toml"
    valid = 0
    for _ in range(number):
        file.write_bytes(mutation(chance, RICH))
        valid += check(file, variables(chance))
    return valid


@pytest.mark.parametrize("mutation", [bytewise, tokenwise, linewise])
@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_mutated_files(
    tmp_path: Path, mutation: Mutation, seed: int
) -> None:
    """Each is told of with its file or variable, or is valid; no secret is shown."""
    assert 0 < mutated_files(tmp_path, mutation, seed, number=170) < 170


@pytest.mark.soak
@pytest.mark.parametrize("mutation", [bytewise, tokenwise, linewise])
@pytest.mark.parametrize("seed", range(100, 120))
def test_sixty_thousand_mutated_files(
    tmp_path: Path, mutation: Mutation, seed: int
) -> None:
    """The same, for longer."""
    assert 0 < mutated_files(tmp_path, mutation, seed, number=1000) < 1000
