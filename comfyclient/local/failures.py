"""What a node's exception looks like in an execution_error message. Pure."""

from __future__ import annotations

import traceback
from typing import Any

from .node_call import Inputs
from .versions import Behaviour

_OUT_OF_MEMORY = "OutOfMemoryError"
_OUT_OF_MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the "
    "batch_size to a large number."
)


def error_message(
    error: Exception, *, inputs: Inputs, behaviour: Behaviour
) -> dict[str, Any]:
    """The fields that say what happened."""
    message = str(error)
    if behaviour.message_with_newline:
        message += "\n"
        if type(error).__name__ == _OUT_OF_MEMORY:
            message += _OUT_OF_MEMORY_TIPS
    return {
        "exception_message": message,
        "exception_type": qualified_name(type(error)),
        "traceback": traceback.format_tb(error.__traceback__),
        "current_inputs": {
            name: [_shown(value) for value in values] for name, values in inputs.items()
        },
    }


def qualified_name(kind: type[BaseException]) -> str:
    """A class's name with its module, unless it is built in."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, int | float | bool | str):
        return value
    return str(value)
