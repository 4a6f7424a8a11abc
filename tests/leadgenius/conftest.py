"""The fixtures of this room; what they are made of stands in helper_bench.py."""

import sys
from pathlib import Path

import pytest

from leadgenius.scopes import PRODUCTION

sys.path.insert(0, str(Path(__file__).parent))

from helper_bench import Bench, Planned, Raw


@pytest.fixture
def bench(monkeypatch):
    """`bench(plan)`: a client over planned answers, or over a transport; one at a time."""

    def make(plan, environ=None, origin=PRODUCTION, **options):
        plan = Planned(plan) if isinstance(plan, list) else plan
        made = Bench(plan, environ or {}, origin, **options)
        monkeypatch.setattr("leadgenius.client.time", made.time)
        return made

    return make


@pytest.fixture
def raw():
    """`raw(step, …)` serves on a loopback port."""
    started = []

    def start(*steps, tls=False):
        started.append(Raw(steps, tls))
        return started[-1]

    yield start
    for one in started:
        one.stop()
