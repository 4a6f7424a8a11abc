"""No secret on stderr, in whichever form it comes back, and no part of one that a cut has made."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import pytest

from commands.runners.rehearsal import _masked
from console.masking import MASK, Masker
from console.notes import Notes
from leadgenius.judgement import Asked, judge
from leadgenius.retry import Failure

KEY = "lgp_" + "0123456789abcdef" * 4
PASSWORD = 'pä"ss wörd\\'


def knowing(*secrets: str) -> Masker:
    masker = Masker()
    for secret in secrets:
        masker.learn(secret)
    return masker


@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        KEY.upper(),
        KEY.swapcase(),
        "".join(f"%{ord(char):02x}" for char in KEY),
        PASSWORD,
        PASSWORD.upper(),
        quote(PASSWORD),
        quote(PASSWORD, safe="").lower(),
        PASSWORD.encode().hex("%").join(["%", ""]),
        json.dumps(PASSWORD),
        json.dumps(json.dumps(PASSWORD)),
        json.dumps({"a": json.dumps({"b": json.dumps(PASSWORD, ensure_ascii=False)}, ensure_ascii=False)}),
        repr(PASSWORD),
    ],
)
def test_a_secret_is_known_in_every_form(shown: str) -> None:
    told = knowing(KEY, PASSWORD).mask(f"before {shown} after")
    assert told.strip("{}\"'\\").startswith("before ")
    assert MASK in told
    for part in ("0123", "30%31", "ss w", "ss%20w", "73%73", "rd"):
        assert part.lower() not in told.lower()


def test_a_short_secret_is_left_because_it_would_blot_out_words() -> None:
    assert knowing("error").mask("an error") == "an error"


def test_what_a_body_names_as_secret_is_learnt_at_any_depth() -> None:
    masker, deep = Masker(), json.loads('{"a":[' * 400 + '{"apiKey":"deepest1"}' + "]}" * 400)
    masker.learn_from({"password": "first-one", "config": {"api_key": "second-one", "accessToken": "third-one"}})
    masker.learn_from([{"secret": ["fourth-one", 12345678], "name": "kept name", "token": None}])
    masker.learn_from(deep)
    masker.learn_from("text")
    told = masker.mask("first-one second-one third-one fourth-one 12345678 deepest1, kept name")
    assert told == f"{' '.join([MASK] * 6)}, kept name"


@pytest.mark.parametrize("field", ["error", "requestId", "code"])
@pytest.mark.parametrize("before", ["x" * 240 + " ", "", (KEY + " ") * 9])
def test_a_cut_never_leaves_half_a_secret(field: str, before: str) -> None:
    failure = Failure("status", status=400, body={field: before + KEY * 60 + "y" * 400})
    stream = io.StringIO()
    Notes(stream, masker=knowing(KEY)).error(judge(Asked("POST", "/leads", "https://x", ""), failure, 1).as_dict())
    assert "0123" not in stream.getvalue()
    told = json.loads(stream.getvalue())["error"]
    assert all(len(str(told[name])) <= 300 for name in ("server_message", "request_id", "server_code"))


def test_the_target_of_a_redirect_is_masked_before_it_is_cut_too() -> None:
    failure = Failure("status", status=307, headers={"Location": "https://x/" + "x" * 260 + KEY})
    stream = io.StringIO()
    Notes(stream, masker=knowing(KEY)).error(judge(Asked("GET", "/leads", "https://x", ""), failure, 1).as_dict())
    assert "0123" not in stream.getvalue()
    assert len(json.loads(stream.getvalue())["error"]["details"]["location"]) <= 300


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"password": "p", "email": "e"}, {"password": MASK, "email": "e"}),
        ({"a": [{"apiKey": "k", "n": 1}]}, {"a": [{"apiKey": MASK, "n": 1}]}),
        ({"secret": {"a": 1}, "token": None}, {"secret": MASK, "token": MASK}),
        ({"config": {"url": "u", "more": [1, None]}}, {"config": {"url": MASK, "more": [MASK, None]}}),
        ([{"api_key": "k"}], [{"api_key": MASK}]),
        (None, None),
    ],
)
def test_a_rehearsal_shows_no_secret_of_the_body(body: Any, shown: Any) -> None:
    assert _masked(body) == shown
