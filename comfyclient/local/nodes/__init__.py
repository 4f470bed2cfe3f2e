"""The core nodes: what composing pictures needs and no model, on numpy and Pillow."""

from __future__ import annotations

from ..node_table import NodeTable
from ..versions import Behaviour
from . import compositing, files, images, masks, scaling, text

_MODULES = (files, images, scaling, compositing, masks, text)


def core_classes(nodes: NodeTable, *, behaviour: Behaviour) -> None:
    """Offer the core nodes that this release has."""
    for module in _MODULES:
        for node_class in module.CLASSES:
            if node_class.NEEDS is None or getattr(behaviour, node_class.NEEDS):
                nodes.add(
                    {node_class.__name__: node_class},
                    display_names={node_class.__name__: node_class.DISPLAY_NAME},
                    module=node_class.RELATIVE_PYTHON_MODULE,
                )
