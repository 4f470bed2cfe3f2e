"""The page on words and pictures: its tables say what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from comfyclient import errors
from comfyclient.config.settings import load_settings
from comfyclient.errors import ModelError
from comfyclient.steps.models import PICTURES, RETIRED
from comfyclient.steps.refusals import CODES
from comfyclient.templating.manifest import parse_manifest
from comfyclient.templating.stages import StagePart
from comfyclient.testing import DashScopeServer, Paints, Refuses, Says

PAGE = (Path(__file__).parents[3] / "docs" / "words-and-pictures.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    """The page's code blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[c.strip() for c in line.strip("|").split("|")] for line in lines[2:]]


def test_its_configuration_is_valid(tmp_path: Path) -> None:
    """And its stages are."""
    config, stages = blocks("toml")
    file = tmp_path / "comfyclient.toml"
    file.write_text(config, encoding="utf-8")
    settings = load_settings(file)
    head = 'name = "a"\nversion = "1.0.0"\nsummary = "s"\n[outputs.x]\nnode = "1"\n'

    assert settings.dashscope is not None
    assert settings.dashscope.aliases == {"qwen-max": "qwen3.6-plus"}
    assert len(parse_manifest((head + stages).encode(), file).stage) == 3
    assert tomllib.loads(stages)["stage"][1]["kind"] == "paint"


def test_every_code_is_in_its_table() -> None:
    """Under the class that is raised, and tried again where it says so."""
    told = {row[0].strip("`"): row for row in rows("What can go wrong")}
    for code, (kind, _) in CODES.items():
        row = told[kind.__name__]
        if code in {"insufficient_quota"}:
            continue
        assert f"`{code}`" in row[1] or f"`{code}*`" in row[1], code
        assert row[2].startswith("yes") is (kind("x").retryable)
    kinds = {n for n, k in vars(errors).items() if isinstance(k, type)
             and issubclass(k, ModelError) and k is not ModelError}  # fmt: skip
    assert kinds == set(told)


def test_the_figures_are_those_that_are_kept_to() -> None:
    """Requests a second and tasks at a time."""
    for names, requests, tasks in rows("How often"):
        for name in re.findall(r"`([^`]+)`", names):
            pattern = re.escape(name).replace(r"\*", ".*")
            models = [m for m in PICTURES if re.fullmatch(pattern, m)]
            assert models, name
            for model in models:
                rate = PICTURES[model].rate
                figure = float(re.findall(r"\d+", requests)[0])
                figure = figure / 60 if "minute" in requests else figure
                assert rate.per_s == pytest.approx(figure)
                assert not tasks or rate.at_once == int(tasks)


def test_the_retired_are_named() -> None:
    """All of them, and every key of a stage."""
    assert all(f"`{name}`" in PAGE for name in RETIRED)
    for key in set(StagePart.model_fields) - {"name", "kind", "inputs"}:
        assert f"`{key}" in PAGE or f"{key} = " in PAGE, key


def test_its_stand_in_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The program on testing works as printed."""
    (program,) = blocks("python")

    exec(program, {})

    assert "http://127.0.0.1" in capsys.readouterr().out
    assert all((DashScopeServer, Paints, Refuses, Says))
