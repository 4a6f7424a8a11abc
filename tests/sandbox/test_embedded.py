"""The sandbox inside a process, behind a requests session."""

import requests

from sandbox.demo import CREDENTIALS
from sandbox.embedded import ORIGIN, open_embedded

KEY = {"X-API-Key": CREDENTIALS["api_key"]}


def test_it_answers_a_session_without_a_network(tmp_path):
    found = open_embedded({"LGP_RATE_LIMITS": "5/60", "LGP_API_KEY": "of the user"}, tmp_path)
    names = ("email", "api_key", "amplify_api_key", "company_id")
    assert {name: found.account[name] for name in names} == {
        name: CREDENTIALS[name] for name in names
    }
    assert found.account["base_url"] == ORIGIN == "https://sandbox.invalid"
    with requests.Session() as session:
        session.mount(ORIGIN, found.adapter)
        answer = session.get(f"{ORIGIN}/api/agent/leads?pageSize=1", headers=KEY)
        assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "5")
        assert answer.json()["data"][0]["id"] == "lead_1"
        bugs = f"{ORIGIN}/api/agent/maintenance/bugs"
        made = session.post(bugs, json={"description": "é"}, headers=KEY)
        assert (made.status_code, made.json()["bug"]["description"]) == (201, "é")
        with session.get(bugs, headers=KEY, stream=True) as answer:
            assert b"".join(answer.iter_content(100)).startswith(b'{"success":true')
    assert (tmp_path / "sandbox" / "sandbox.sqlite3").is_file()
