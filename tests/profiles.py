"""How long hypothesis looks; `soak` and `long` are not for every commit.

`soak` is for the state machines, `long` for whatever else draws its values. Loaded as a
plugin, and chosen by name, from the top folder:

    python -m pytest -p tests.profiles --hypothesis-profile soak --timeout 0 \\
        tests/contract/test_ledger_machine.py
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "long",
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "soak",
    max_examples=5000,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
