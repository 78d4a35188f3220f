"""Seeded examples of a hypothesis strategy, as a list."""

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st


def drawn(strategy: st.SearchStrategy[Any], count: int, start: int) -> list[Any]:
    """Return up to `count` different examples; the same ones for the same `start`."""
    found: list[Any] = []

    @seed(start)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found[:count]
