"""The fixtures of this room; what they are made of stands in helper_bench.py."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from helper_bench import Bench, Raw


@pytest.fixture
def bench(monkeypatch):
    """`bench(plan)`: a client over planned answers; one at a time."""

    def make(*given, **options):
        made = Bench(*given, **options)
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
