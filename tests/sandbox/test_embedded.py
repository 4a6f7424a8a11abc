"""The sandbox inside a process, behind a requests session."""

import pytest
import requests

from sandbox.demo import CREDENTIALS
from sandbox.embedded import ORIGIN, open_embedded

KEY = {"X-API-Key": CREDENTIALS["api_key"]}


@pytest.fixture
def opened(tmp_path):
    environ = {"LGP_RATE_LIMITS": "5/60", "LGP_API_KEY": "lgp_of_the_user"}
    found = open_embedded(environ, tmp_path)
    with requests.Session() as session:
        session.mount(ORIGIN, found.adapter)
        yield found, session


def test_it_answers_a_session_without_a_network(opened, tmp_path):
    _, session = opened
    answer = session.get(f"{ORIGIN}/api/agent/leads?pageSize=1", headers=KEY)
    assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "5")
    assert answer.json()["data"][0]["id"] == "lead_1"
    made = session.post(
        f"{ORIGIN}/api/agent/maintenance/bugs", json={"description": "é"}, headers=KEY
    )
    assert (made.status_code, made.json()["bug"]["description"]) == (201, "é")
    with session.get(f"{ORIGIN}/api/agent/campaigns", headers=KEY, stream=True) as answer:
        assert b"".join(answer.iter_content(100)).startswith(b'{"success":true')
    assert (tmp_path / "sandbox" / "sandbox.sqlite3").is_file()


def test_its_account_is_the_demo_one_and_logged_in(opened):
    found, session = opened
    account = found.account
    names = ("email", "api_key", "amplify_api_key", "company_id")
    expected = {name: CREDENTIALS[name] for name in names} | {"base_url": "https://sandbox.invalid"}
    assert account == {**expected, "token": account["token"], "expires_at": account["expires_at"]}
    headers = {"Authorization": f"Bearer {account['token']}"}
    assert session.get(f"{ORIGIN}/api/agent-api-keys", headers=headers).status_code == 200
