"""The node classes that an engine offers: core nodes, packs, single classes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..errors import EngineError
from .schema import NodeClass


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """One class, and what its pack says about it."""

    name: str
    node_class: NodeClass
    display_name: str | None
    python_module: str


class NodeTable:
    """Class name to node class."""

    def __init__(self) -> None:
        self._entries: dict[str, NodeEntry] = {}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def __getitem__(self, name: str) -> NodeClass:
        return self._entries[name].node_class

    def entries(self) -> list[NodeEntry]:
        """Every class, in the order of loading."""
        return list(self._entries.values())

    def entry(self, name: str) -> NodeEntry | None:
        """One class; None if there is none of that name."""
        return self._entries.get(name)

    def add(
        self,
        classes: Mapping[str, NodeClass],
        *,
        display_names: Mapping[str, str] | None = None,
        module: str,
    ) -> None:
        """Offer these classes; one of the same name is replaced."""
        names = {} if display_names is None else display_names
        for name, node_class in classes.items():
            source = getattr(node_class, "RELATIVE_PYTHON_MODULE", module)
            self._entries[name] = NodeEntry(
                name, node_class, names.get(name, name), source
            )

    def add_packs(self, packs: Sequence[ModuleType | Path]) -> None:
        """Offer the classes of modules, or of files and folders to load.

        Raises:
            EngineError: a pack cannot be loaded or has no NODE_CLASS_MAPPINGS.
        """
        for pack in packs:
            module = pack if isinstance(pack, ModuleType) else _load(pack)
            classes = getattr(module, "NODE_CLASS_MAPPINGS", None)
            if not isinstance(classes, Mapping):
                raise EngineError(
                    f"node pack {pack} has no NODE_CLASS_MAPPINGS; "
                    "give a module or folder that defines it"
                )
            names = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None)
            short = (
                module.__name__.rpartition(".")[2]
                if isinstance(pack, ModuleType)
                else pack.stem
            )
            self.add(classes, display_names=names, module=f"custom_nodes.{short}")


def _load(path: Path) -> ModuleType:
    source = path / "__init__.py" if path.is_dir() else path
    # A name of its own, so that a pack never shadows an installed module.
    name = f"comfyclient_pack_{abs(hash(path.resolve())):x}_{path.stem}"
    spec = importlib.util.spec_from_file_location(
        name,
        source,
        submodule_search_locations=[str(path)] if path.is_dir() else None,
    )
    if spec is None or spec.loader is None or not source.is_file():
        raise EngineError(
            f"node pack {path} is not a Python file or a folder with __init__.py"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise EngineError(
            f"node pack {path} failed to load: {type(error).__name__}: {error}"
        ) from error
    return module
