"""The sandbox inside a process, behind a requests session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.demo import CREDENTIALS
from sandbox.embedded import ORIGIN, open_embedded


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    found = open_embedded({"LGP_RATE_LIMITS": "5/60", "LGP_API_KEY": "lgp_of_the_user"}, tmp_path)
    with requests.Session() as session:
        session.mount(ORIGIN, found.adapter)
        yield found, session


def test_it_answers_a_session_without_a_network(opened: Any, tmp_path: Path) -> None:
    _, session = opened
    headers = {"X-API-Key": CREDENTIALS["api_key"]}
    answer = session.get(f"{ORIGIN}/api/agent/leads?pageSize=1", headers=headers)
    assert (answer.status_code, answer.headers["X-RateLimit-Limit"], answer.url) == (200, "5", answer.request.url)
    assert answer.json()["data"][0]["id"] == "lead_1"
    made = session.post(f"{ORIGIN}/api/agent/maintenance/bugs", json={"description": "é"}, headers=headers)
    assert (made.status_code, made.json()["bug"]["description"]) == (201, "é")
    assert session.get(f"{ORIGIN}/api/agent/leads/a%2Fb/status", headers=headers).status_code == 405
    assert (tmp_path / "sandbox" / "sandbox.sqlite3").is_file()


def test_its_account_is_the_demo_one_and_logged_in(opened: Any) -> None:
    found, session = opened
    account = found.account
    names = ("email", "api_key", "amplify_api_key", "company_id")
    assert {name: account[name] for name in names} == {name: CREDENTIALS[name] for name in names}
    assert account["base_url"] == ORIGIN == "https://sandbox.invalid"
    assert account["expires_at"].endswith("Z")
    headers = {"Authorization": f"Bearer {account['token']}"}
    assert session.get(f"{ORIGIN}/api/agent-api-keys", headers=headers).status_code == 200


def test_a_session_streams_what_it_is_asked_to(opened: Any) -> None:
    _, session = opened
    headers = {"X-API-Key": CREDENTIALS["api_key"]}
    with session.get(f"{ORIGIN}/api/agent/campaigns", headers=headers, stream=True) as answer:
        assert b"".join(answer.iter_content(100)).startswith(b'{"success":true')


@pytest.mark.parametrize("limits", ["often", "0/60"])
def test_malformed_limits_are_a_value_error(tmp_path: Path, limits: str) -> None:
    with pytest.raises(ValueError, match="rate limits"):
        open_embedded({"LGP_RATE_LIMITS": limits}, tmp_path)
