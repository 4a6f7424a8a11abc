"""--where and --count-by on rows: what fits, what cannot be compared, what is counted."""

from __future__ import annotations

import pytest

from cli.rows import Tally, conditions
from leadgenius.errors import UsageError

ROW = {
    "status": "Qualified",
    "employeeCount": 250,
    "aiLeadScore": "65/100",
    "notes": "",
    "createdAt": "2026-03-01T09:30:00.000Z",
    "technologies": ["Salesforce", "HubSpot"],
    "owner": None,
    "goals": {"targetAccounts": 40},
    "active": True,
    "phoneNumber": "0049301234",
}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("status=qualified", True),
        ("status = QUALIFIED", True),
        ("status=new", False),
        ("status!=new", True),
        ("status!=qualified", False),
        ("status~lif", True),
        ("status~xyz", False),
        ("employeeCount=250", True),
        ("employeeCount=250.0", True),
        ("employeeCount>100", True),
        ("employeeCount>250", False),
        ("employeeCount>=250", True),
        ("employeeCount<250", False),
        ("employeeCount<=250", True),
        ("createdAt>2026-02-28", True),
        ("createdAt<2026-03-01T10:00:00Z", True),
        ("createdAt>=2026-03-02", False),
        ("notes=", True),
        ("owner=", True),
        ("companyName=", True),
        ("status=", False),
        ("status!=", True),
        ("owner!=x", True),
        ("owner>5", False),
        ("owner~x", False),
        ("goals.targetAccounts>30", True),
        ("technologies=hubspot", True),
        ("technologies~sales", True),
        ("technologies=Marketo", False),
        ("active=true", True),
        ("active=false", False),
        ("status=a=b", False),
    ],
)
def test_a_condition_fits_a_row_or_not(text: str, fits: bool) -> None:
    (condition,) = conditions([text])
    assert condition.holds(ROW) is fits


@pytest.mark.parametrize("text", ["aiLeadScore>50", "status<5", "technologies>1", "createdAt>5"])
def test_what_cannot_be_compared_is_neither_true_nor_false(text: str) -> None:
    (condition,) = conditions([text])
    assert condition.holds(ROW) is None


@pytest.mark.parametrize("text", ["status", "=qualified", "", "status qualified", "1a=2"])
def test_a_condition_without_field_or_operator_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        conditions([text])
    assert caught.value.exit_code == 2
    assert "Quote it" in caught.value.hint


def test_a_tally_counts_each_combination_with_absent_values_as_null() -> None:
    tally = Tally(["status", "client_id"])
    for row in ({"status": "new"}, {"status": "new"}, {"status": "won", "client_id": "a"}, {}):
        tally.add(row)
    assert tally.result() == {
        "count": 4,
        "by": [
            {"status": "new", "client_id": None, "n": 2},
            {"status": "won", "client_id": "a", "n": 1},
            {"status": None, "client_id": None, "n": 1},
        ],
        "values_total": 3,
    }


def test_a_tally_prints_the_hundred_largest_and_says_how_many_there_are() -> None:
    tally = Tally(["email"])
    for number in range(150):
        tally.add({"email": f"{number:03}@x.example"})
    tally.add({"email": "149@x.example"})
    result = tally.result()
    assert (len(result["by"]), result["values_total"], result["count"]) == (100, 150, 151)
    assert result["by"][0] == {"email": "149@x.example", "n": 2}


def test_too_many_different_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.rows.LARGEST_GROUPS", 2)
    tally = Tally(["email"])
    tally.add({"email": "a"})
    tally.add({"email": "b"})
    with pytest.raises(UsageError, match="more than 2 different values"):
        tally.add({"email": "c"})
