"""--where on rows: what fits, and what cannot be compared."""

import pytest

from cli.inputs import conditions
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
}
FITS = """status=qualified / status = QUALIFIED / status!=new / status~lif / status!= / employeeCount=250
employeeCount=250.0 / employeeCount>100 / employeeCount>=250 / employeeCount<=250 / notes= / owner=
createdAt>2026-02-28 / createdAt<2026-03-01T10:00:00Z / companyName= / owner!=x / technologies=hubspot
goals.targetAccounts>30 / technologies~sales / active=true"""
DOES_NOT = """status=new / status!=qualified / status~xyz / status= / status=a=b / employeeCount>250
employeeCount<250 / createdAt>=2026-03-02 / owner>5 / owner~x / technologies=Marketo / active=false"""
NOT_COMPARABLE = "aiLeadScore>50 / status<5 / technologies>1 / createdAt>5"


@pytest.mark.parametrize(
    ("texts", "verdict"), [(FITS, True), (DOES_NOT, False), (NOT_COMPARABLE, None)]
)
def test_a_condition_fits_a_row_or_not_or_cannot_be_compared(texts, verdict):
    found = conditions(texts.replace("\n", " / ").split(" / "))
    assert {one: one.holds(ROW) for one in found} == dict.fromkeys(found, verdict)


@pytest.mark.parametrize("text", ["status", "=qualified", "", "status qualified", "1a=2"])
def test_a_condition_without_field_or_operator_is_refused(text):
    with pytest.raises(UsageError) as caught:
        conditions([text])
    assert caught.value.exit_code == 2
    assert "Quote it" in caught.value.hint
