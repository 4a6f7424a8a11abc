"""The fixtures of this room; what they are made of stands in helper_bench.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leadgenius.scopes import PRODUCTION

sys.path.insert(0, str(Path(__file__).parent))

from helper_bench import Bench, Planned, Raw, Step


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """`bench(plan)`: a client over planned answers, or over a transport."""

    def make(
        plan: Any, environ: dict[str, str] | None = None, origin: str = PRODUCTION, **options: Any
    ) -> Bench:
        return Bench(
            Planned(plan) if isinstance(plan, list) else plan, environ or {}, origin, **options
        )

    return make


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """`raw(step, …)` serves on a loopback port."""
    started: list[Raw] = []

    def start(*steps: Step, tls: bool = False) -> Raw:
        started.append(Raw(steps, tls))
        return started[-1]

    yield start
    for one in started:
        one.stop()
