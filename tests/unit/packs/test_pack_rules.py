"""The rules for node packs: each is broken once, and a good pack breaks none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import comfyclient.comfy_nodes as ours
from comfyclient.errors import UsageError
from comfyclient.packs.check import check_pack
from comfyclient.packs.classes import UNKNOWN, find_classes
from comfyclient.packs.findings import RULES
from comfyclient.packs.source import read_pack

from .conftest import GOOD, WritePack

RUN = "        drawn = random.Random(seed).random()\n"
END = "\n\nNODE_CLASS_MAPPINGS ="
RADIUS = '("INT", {"default": 2, "min": 0, "max": 9, "tooltip": "px"})'
SEED = '("INT", {"default": 0, "min": 0, "max": 9, "tooltip": "s"})'
CHANGED = "\n    @classmethod\n    def IS_CHANGED(cls, **kwargs):\n        return {}\n"
VALID = (
    "\n    @classmethod\n    def VALIDATE_INPUTS(cls, **kwargs):\n        return True\n"
)

BROKEN: dict[str, list[tuple[str, str]]] = {
    "readable": [(RUN, "        def\n")],
    "mappings": [("NODE_CLASS_MAPPINGS", "CLASSES")],
    "display-name": [('{"Blur": "Blur"}', "{}")],
    "interface": [('FUNCTION = "run"', 'FUNCTION = "go"')],
    "category": [('    CATEGORY = "example"\n', "")],
    "return-types": [('RETURN_TYPES = ("IMAGE",)', 'RETURN_TYPES = ("IMAGE")')],
    "return-names": [('("image",)\n    FUNCTION', '("image", "mask")\n    FUNCTION')],
    "output-node": [
        ('RETURN_TYPES = ("IMAGE",)', "RETURN_TYPES = ()"),
        ('RETURN_NAMES = ("image",)', "RETURN_NAMES = ()"),
    ],
    "signature": [('text=""', "text")],
    "description": [('    DESCRIPTION = "Blurs."\n', "")],
    "range": [(RADIUS, '("INT", {"default": 2, "tooltip": "px"})')],
    "default": [('{"default": "a"', '{"default": "c"')],
    "tooltip": [(', "tooltip": "t"', "")],
    "secret-input": [
        ('"text": ("STRING"', '"api_key": ("STRING"'), ("text=", "api_key="),
    ],
    "always-changed": [(END, CHANGED.format('float("nan")') + END)],
    "never-changed": [(END, CHANGED.format("True") + END)],
    "unseeded": [
        (f'                "seed": {SEED},\n', ""), (" seed,", ""),
        ("random.Random(seed).random()", "random.random()"),
    ],
    "global-seed": [(RUN, "        random.seed(seed)\n")],
    "own-validation": [(END, VALID + END)],
    "timeout": [(", timeout=5", "")],
    "interrupt": [("bar = ProgressBar(10)", "bar = 0"), ("bar.update(1)", "bar += 1")],
    "endless-wait": [("for _ in range(10):", "while True:")],
    "code-from-text": [(RUN, "        eval(text)\n")],
    "unpickling": [(RUN, "        torch.load(text)\n")],
    "tls": [("timeout=5", "timeout=5, verify=False")],
    "shell": [(RUN, "        os.system(text)\n")],
    "installs": [
        (RUN, '        subprocess.run([sys.executable, "-m", "pip", "install", "x"])\n')
    ],
    "import-work": [(END, '\n\nrequests.get("https://x", timeout=5)' + END)],
    "patches-core": [(END, "\n\ncomfy.samplers.KSampler = Blur" + END)],
    "device": [(RUN, '        image = image.to("cuda:0")\n')],
    "absolute-path": [(RUN, '        open("/home/me/model.bin")\n')],
    "undeclared": [("import requests", "import requests\nimport insightface")],
}  # fmt: skip


@pytest.mark.parametrize("rule", sorted(BROKEN))
def test_each_rule_is_noticed_where_it_is_broken(
    write_pack: WritePack, rule: str
) -> None:
    """And its finding names file, line and rule."""
    report = check_pack(write_pack(*BROKEN[rule]))

    found = {one.rule: one for one in report.findings}
    assert rule in found
    assert found[rule].file == "__init__.py"
    assert report.has_errors is any(RULES[one].level == "error" for one in found)
    assert rule in str(found[rule])
    assert len(found) <= 2, (
        "one spoilt line breaks one rule, or a pair that goes together"
    )


def test_a_good_pack_breaks_no_rule(write_pack: WritePack) -> None:
    """Also with declared packages, and with tests that nobody ships."""
    folder = write_pack(requirements_txt="opencv-python>=4\n")
    (folder / "more.py").write_text("import cv2\n", "utf-8")
    (folder / "tests").mkdir()
    (folder / "tests" / "x.py").write_text("eval(input())\n", "utf-8")

    report = check_pack(folder)

    assert report.findings == ()
    assert report.nodes == ("Blur",)


def test_a_fixed_torch_is_noticed_in_the_requirements(write_pack: WritePack) -> None:
    """No Python file shows it."""
    report = check_pack(write_pack(requirements_txt="torch==2.1.0\nnumpy\n"))
    assert [one.rule for one in report.findings] == ["pins-torch"]


def test_our_own_pack_breaks_no_rule() -> None:
    """What we ask of others, we keep."""
    report = check_pack(Path(ours.__file__).parent)
    assert [str(one) for one in report.findings] == []
    assert set(report.nodes) == set(ours.NODE_CLASS_MAPPINGS)


def test_every_rule_is_documented_with_its_reason() -> None:
    """The checklist has each rule, its level and why, in the order of the code."""
    page = (Path(__file__).parents[3] / "docs" / "nodes.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (error|warning) \| (.+) \|$", page, re.M)
    assert rows == [(name, rule.level, rule.why) for name, rule in RULES.items()]
    assert set(BROKEN) | {"pins-torch", "import-fails"} == set(RULES)


def test_what_only_an_import_shows_is_said_to_be_unseen(write_pack: WritePack) -> None:
    """Inputs that a function makes, and mappings that a loop makes."""
    made = write_pack(
        (RADIUS, "made()"), ('"required": {', "**others(), 'required': {")
    )
    assert check_pack(made).unseen == ("Blur",)
    looped = write_pack(
        ('= {"Blur": Blur}', "= {one.__name__: one for one in (Blur,)}")
    )
    assert check_pack(looped).is_dynamic


def test_what_a_pack_may_do_is_no_finding(write_pack: WritePack) -> None:
    """Bases of ComfyUI's own, packages it can do without, scripts of managers."""
    folder = write_pack(
        ("class Blur:", "from nodes import Preview\n\n\nclass Blur(Preview):"),
        ('    CATEGORY = "example"\n', ""),
        ('    FUNCTION = "run"\n', ""),
        (RUN, "        import insightface\n"),
        (END, '\n\ntry:\n    import triton\nexcept ImportError:\n    triton = None\n'
         'folder_paths.folder_names_and_paths["x"] = ([], set())\n'
         'PLACE = "X://path/to/video.mp4"' + END),
    )  # fmt: skip
    (folder / "install.py").write_text("import os\nos.system(input())\n", "utf-8")

    assert check_pack(folder).findings == ()


def test_mappings_that_a_function_makes_are_mappings(write_pack: WritePack) -> None:
    """Both at once, too."""
    folder = write_pack(
        ('NODE_CLASS_MAPPINGS = {"Blur": Blur}\n', ""),
        ('NODE_DISPLAY_NAME_MAPPINGS = {"Blur": "Blur"}',
         "NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS = made(Blur)"),
    )  # fmt: skip
    report = check_pack(folder)
    assert (report.findings, report.is_dynamic) == ((), True)


def test_a_newer_node_with_a_schema_is_known(tmp_path: Path) -> None:
    """It has no INPUT_TYPES, and needs none."""
    (tmp_path / "__init__.py").write_text(
        "class A(io.ComfyNode):\n    @classmethod\n    def define_schema(cls):\n"
        "        return io.Schema()\n\n\nasync def comfy_entrypoint():\n    return 1\n",
        "utf-8",
    )
    assert check_pack(tmp_path).findings == ()


def test_nothing_of_the_pack_runs(write_pack: WritePack, tmp_path: Path) -> None:
    """The check only reads."""
    trap = tmp_path / "ran"
    folder = write_pack((END, f'\n\nopen({str(trap)!r}, "w").write("x")' + END))
    check_pack(folder)
    assert not trap.exists()


@pytest.mark.parametrize(
    "text",
    ["x = " + "(" * 5000, "a" * 100_000, "\x00", "\xff", "if 1:\n" * 300 + "pass",
     "NODE_CLASS_MAPPINGS = {1: 2, **x, 'a': b.c, 'd': [e]}",
     "class A(A): pass\nclass B(A, B): pass\nNODE_CLASS_MAPPINGS = {'A': A, 'B': B}",
     "class A:\n  RETURN_TYPES = 7\n  FUNCTION = None\n  def INPUT_TYPES(): return\n"
     "NODE_CLASS_MAPPINGS = {'A': A}",
     "class A:\n  def INPUT_TYPES(s): return {'required': {'x': ('INT', {'default': "
     "9**9**9, 'min': 'a'})}, 3: 4, 'optional': 5}\nNODE_CLASS_MAPPINGS = {'A': A}"],
)  # fmt: skip
def test_hostile_python_gives_findings_and_no_crash(tmp_path: Path, text: str) -> None:
    """Whatever stands in the files."""
    (tmp_path / "__init__.py").write_bytes(text.encode("latin-1"))
    for one in check_pack(tmp_path).findings:
        assert str(one)


@given(
    st.text(st.sampled_from("{}[]()'\",:=\n NODE_CLASS_MAPPINGSabc.*1"), max_size=80)
)
def test_any_text_is_read_or_refused_with_a_finding(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """No text raises anything."""
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text(f"NODE_CLASS_MAPPINGS = {text}", "utf-8")
    check_pack(folder)


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    """A folder without Python, and what is not there."""
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UsageError, match=r"no Python|is no folder"):
            check_pack(path)


def test_links_are_not_followed_out_of_the_pack(
    write_pack: WritePack, tmp_path: Path
) -> None:
    """A pack cannot have the check read the whole disk."""
    folder = write_pack()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("eval(input())\n", "utf-8")
    (folder / "linked").symlink_to(outside)
    assert check_pack(folder).findings == ()


def test_plain_values_are_read_and_others_are_unknown(write_pack: WritePack) -> None:
    """Constants, arithmetic and unpacked dicts are seen; calls are not."""
    folder = write_pack(
        (RADIUS, '("INT", {**COMMON, "max": 2**31 - 1, "min": -4})'),
        ("class Blur:", 'COMMON = {"default": 1, "tooltip": "t"}\n\n\nclass Blur:'),
        (SEED, "seed_input()"),
    )
    (node,) = find_classes(read_pack(folder)).nodes
    assert node.inputs is not None
    required = node.inputs["required"]
    assert required["radius"] == (
        "INT",
        {"default": 1, "tooltip": "t", "max": 2**31 - 1, "min": -4},
    )
    assert required["seed"] is UNKNOWN
    assert GOOD.count("class Blur") == 1
