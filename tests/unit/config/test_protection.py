"""What lets an action on a protected environment pass."""

from __future__ import annotations

import pytest

from comfyclient.config.protection import require_confirmation
from comfyclient.config.settings import EnvironmentSettings
from comfyclient.errors import UsageError

PROTECTED = EnvironmentSettings(protected=True)


def test_its_own_name_confirms() -> None:
    """The environment's name, and nothing is asked of one that is not protected."""
    require_confirmation("prod", PROTECTED, action="clean it", confirm="prod")
    require_confirmation("test", EnvironmentSettings(), action="clean it", confirm=None)


@pytest.mark.parametrize("confirm", [None, False, True, "", "test", "PROD", "yes"])
def test_nothing_else_does(confirm: str | bool | None) -> None:
    """The error says what would be done, and what to pass."""
    with pytest.raises(UsageError) as caught:
        require_confirmation("prod", PROTECTED, action="clean it", confirm=confirm)
    assert "environment prod is protected" in str(caught.value)
    assert "clean it" in str(caught.value)
    assert "confirm='prod', or --confirm prod" in str(caught.value)
