"""What the rules say of a pack's code: waiting, safety, living with others. Pure."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from .findings import PackFinding
from .node_rules import calls, dotted
from .source import PackSource, SourceFile

_REQUESTS = re.compile(
    r"^(requests|httpx)\.(get|post|put|patch|delete|head|request)$|(^|\.)urlopen$"
)
_UNPICKLES = re.compile(r"^(pickle|cPickle|dill|joblib)\.loads?$|^torch\.load$")
_INSTALLS = re.compile(
    r"\bpip3?\b.{0,20}\binstall\b|\buv\b.{0,20}\bpip\b|git.{0,9}clone"
)
_SHELLS = re.compile(r"^(os\.(system|popen)|subprocess\.(getoutput|getstatusoutput))$")
_STARTS = re.compile(r"^subprocess\.(run|call|check_call|check_output|Popen)$")
_AT_IMPORT = re.compile(
    r"^(requests|httpx)\.(get|post|put|request)$|(^|\.)urlopen$|^subprocess\.\w+$"
    r"|^os\.system$|(^|\.)(snapshot_download|hf_hub_download|from_pretrained)$"
)
_GLOBAL_SEEDS = {
    "random.seed", "np.random.seed", "numpy.random.seed", "torch.manual_seed",
    "torch.cuda.manual_seed", "torch.cuda.manual_seed_all", "torch.random.manual_seed",
}  # fmt: skip
_CORE = re.compile(r"^(comfy|nodes|execution|folder_paths|server|latent_preview)(\.|$)")
_REGISTERING = re.compile(
    r"^folder_paths\.(folder_names_and_paths|\w*extensions)|^nodes\.EXTENSION_WEB_DIRS"
)
_PATHS = re.compile(
    r"^(/(home|root|mnt|Users|opt|tmp|data|workspace)/|[A-Za-z]:[\\/](?!/|Windows))"
)
_INTERRUPT = (
    "throw_exception_if_processing_interrupted",
    "processing_interrupted",
    "stop_if_interrupted",
    ".update",
    ".update_absolute",
)
"""Calls that ask; a progress bar's update does, too."""

_BROUGHT = """
    PIL aiohttp alembic av comfy comfy_api comfy_api_nodes comfy_config
    comfy_execution comfy_extras einops execution filelock folder_paths fsspec
    google glsl huggingface_hub jinja2 kornia latent_preview networkx
    node_helpers nodes numpy packaging protocol psutil pydantic
    pydantic_settings regex requests safetensors scipy sentencepiece server
    simpleeval spandrel sqlalchemy sympy tokenizers torch torchaudio torchsde
    torchvision tqdm transformers trampoline typing_extensions urllib3 utils
    yaml yarl
"""
"""What a ComfyUI has: its own modules, its requirements, and what those need."""


def code_findings(source: PackSource) -> Iterator[PackFinding]:
    """Where a pack's code breaks the rules."""
    for file in source.files:
        yield from _calls(file)
        yield from _waits(file)
        yield from _assignments(file)
        yield from _texts(file)
        yield from _import_work(file)
    yield from _dependencies(source)


def _calls(file: SourceFile) -> Iterator[PackFinding]:
    for call, name in calls(file.tree):
        given = {one.arg: one.value for one in call.keywords}
        for rule, message in _call_faults(call, name, given):
            yield PackFinding(rule, message, file.name, call.lineno)


def _call_faults(
    call: ast.Call, name: str, given: dict[str | None, ast.expr]
) -> Iterator[tuple[str, str]]:
    if _REQUESTS.search(name) and "timeout" not in given and None not in given:
        late = name.endswith("urlopen") and len(call.args) > 2
        if not late:
            yield "timeout", f"{name}() has no timeout"
    verify = given.get("verify")
    if isinstance(verify, ast.Constant) and verify.value is False:
        yield "tls", f"{name}() does not verify certificates"
    if name == "ssl._create_unverified_context":
        yield "tls", "it makes a context that verifies no certificates"
    if name in {"eval", "exec"} and not _is_literal(call):
        yield "code-from-text", f"{name}() runs a text"
    safe = given.get("weights_only")
    if _UNPICKLES.search(name) and not (
        isinstance(safe, ast.Constant) and safe.value is True
    ):
        yield "unpickling", f"{name}() runs what is in the file"
    if name in _GLOBAL_SEEDS:
        yield "global-seed", f"{name}() seeds for everybody"
    if name.endswith(".cuda") and not call.args and not given:
        yield "device", f"{name}() decides for a device"
    yield from _processes(call, name, given)


def _is_literal(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant)


def _processes(
    call: ast.Call, name: str, given: dict[str | None, ast.expr]
) -> Iterator[tuple[str, str]]:
    starts = _STARTS.search(name) is not None
    shell = given.get("shell")
    in_shell = isinstance(shell, ast.Constant) and shell.value is True
    if not starts and not _SHELLS.search(name):
        return
    command = ast.unparse(call.args[0]) if call.args else ""
    if _INSTALLS.search(command.replace("'", " ").replace(",", " ").replace('"', " ")):
        yield "installs", f"{name}() installs: {command[:60]}"
    elif (in_shell or not starts) and not _is_literal(call):
        yield "shell", f"{name}() gives a text to a shell"


def _waits(file: SourceFile) -> Iterator[PackFinding]:
    """Loops that sleep: whether they notice an interrupt, and end by themselves."""
    for loop in ast.walk(file.tree):
        if not isinstance(loop, ast.While | ast.For):
            continue
        names = [name for _, name in calls(loop)]
        if not any(name in {"time.sleep", "sleep"} for name in names):
            continue
        if not any(name.endswith(_INTERRUPT) for name in names):
            words = "the loop sleeps and never asks whether it was interrupted"
            yield PackFinding("interrupt", words, file.name, loop.lineno)
        endless = isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant)
        if endless and not _compares_time(loop):
            words = "the loop waits without a limit"
            yield PackFinding("endless-wait", words, file.name, loop.lineno)


def _compares_time(loop: ast.AST) -> bool:
    return any(
        isinstance(one, ast.Compare)
        and re.search(r"time|dead|limit|attempt|retr|tries|count", ast.unparse(one))
        for one in ast.walk(loop)
    )


def _assignments(file: SourceFile) -> Iterator[PackFinding]:
    """Where an attribute of a module of ComfyUI gets another value."""
    for one in ast.walk(file.tree):
        if not isinstance(one, ast.Assign | ast.AugAssign):
            continue
        for target in one.targets if isinstance(one, ast.Assign) else [one.target]:
            inner = target.value if isinstance(target, ast.Subscript) else target
            name = dotted(inner) if isinstance(inner, ast.Attribute) else ""
            if _CORE.search(name) and not _REGISTERING.search(name):
                words = f"{name} is changed"
                yield PackFinding("patches-core", words, file.name, one.lineno)


def _texts(file: SourceFile) -> Iterator[PackFinding]:
    for one in ast.walk(file.tree):
        if not isinstance(one, ast.Constant) or not isinstance(one.value, str):
            continue
        if _PATHS.match(one.value) and "\n" not in one.value:
            words = f"the path {one.value[:60]!r} is fixed"
            yield PackFinding("absolute-path", words, file.name, one.lineno)
        if re.fullmatch(r"cuda(:\d+)?", one.value):
            words = f"the device {one.value!r} is fixed"
            yield PackFinding("device", words, file.name, one.lineno)


def _import_work(file: SourceFile) -> Iterator[PackFinding]:
    for stmt in _at_import(file.tree.body):
        for call, name in calls(stmt):
            if _AT_IMPORT.search(name):
                words = f"{name}() runs when the pack is imported"
                yield PackFinding("import-work", words, file.name, call.lineno)


def _at_import(statements: list[ast.stmt], *, tried: bool = True) -> Iterator[ast.stmt]:
    """Statements that an import runs: not those in functions, classes' own included.

    Without `tried`, also not those that may fail.
    """
    for stmt in statements:
        match stmt:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=test) if "__main__" in ast.unparse(test):
                continue
            case ast.ClassDef(body=body):
                yield from _at_import(body, tried=tried)
            case ast.If(body=body, orelse=orelse):
                yield from _at_import([*body, *orelse], tried=tried)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=last):
                inner = [one for handler in handlers for one in handler.body]
                if tried:
                    yield from _at_import([*body, *inner, *orelse, *last])
            case ast.With(body=body) | ast.For(body=body) | ast.While(body=body):
                yield from _at_import(body, tried=tried)
            case _:
                yield stmt


def _dependencies(source: PackSource) -> Iterator[PackFinding]:
    declared = " ".join(
        text
        for name in ("requirements.txt", "pyproject.toml")
        if (text := source.text(name)) is not None
    )
    pin = re.search(r"(?m)^\W*torch(vision|audio)?\s*==", declared)
    if pin is not None:
        fixed = re.sub(r"\W*==", "", pin[0]).strip(" '\"-")
        words = f"the requirements fix {fixed}"
        yield PackFinding("pins-torch", words, "requirements.txt")
    own = {part for file in source.files for part in file.name.split("/")}
    own |= {part.removesuffix(".py") for part in own}
    known = set(_BROUGHT.split()) | sys.stdlib_module_names | own
    plain = re.sub(r"[-_.]", "", declared.lower())
    seen: set[str] = set()
    for file in source.files:
        for name, line in _imported(file.tree):
            if name in known or name in seen:
                continue
            seen.add(name)
            if re.sub(r"[-_.]", "", name.lower()) not in plain and not _aliased(
                name, plain
            ):
                words = f"{name} comes neither with ComfyUI nor with the requirements"
                yield PackFinding("undeclared", words, file.name, line)


_DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "bs4": "beautifulsoup4",
    "cv2": "opencv",
    "dateutil": "pythondateutil",
    "dotenv": "pythondotenv",
    "git": "gitpython",
    "skimage": "scikitimage",
    "sklearn": "scikitlearn",
}
"""Packages whose modules are called otherwise."""


def _aliased(name: str, declared: str) -> bool:
    other = _DISTRIBUTIONS.get(name)
    return other is not None and other in declared


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Top-level packages that the file needs to be imported itself."""
    for stmt in _at_import(tree.body, tried=False):
        for one in ast.walk(stmt):
            if isinstance(one, ast.Import):
                for alias in one.names:
                    yield alias.name.split(".")[0], one.lineno
            elif isinstance(one, ast.ImportFrom) and not one.level and one.module:
                yield one.module.split(".")[0], one.lineno
