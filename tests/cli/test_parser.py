"""Commands: found by their words, parsed by openapi.json, and a helpful word for everything else."""

import shlex

import pytest

from cli import parser
from cli.commands import COMMANDS, INSTEAD
from cli.options import OPTIONS
from contract.operations import operations
from leadgenius.errors import UsageError


def parse(line):
    """The command of a line and its own arguments, as lgp.py reads them."""
    found, rest = parser.split(shlex.split(line), {})
    command, after = parser.find(rest)
    assert command
    return command, parser.parse(command, found, after)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.words)
def test_every_row_is_found_by_its_words_and_its_example_parses(command):
    assert parser.find(command.words.split()) == (command, [])
    assert parse(command.example.replace("{lgp} ", "").split(" < ")[0])[0] is command


def test_every_operation_has_a_command_and_every_option_and_group_a_use():
    assert {one.id for one in COMMANDS} >= operations().keys()
    taken = {one.name for row in COMMANDS for one in parser.takes(row)}
    assert taken >= {one.name for one in OPTIONS}
    groups = {group for row in COMMANDS for group in row.groups.split()}
    assert groups <= {one.group for one in OPTIONS}
    assert not {one.words for one in COMMANDS} & {*INSTEAD}


@pytest.mark.parametrize(
    ("line", "dest", "value"),
    [
        ("leads create --first-name Mara", "body_firstName", "Mara"),
        ("leads create --client-id c", "body_client_id", "c"),
        ("campaigns list --status active", "query_status", "active"),
        ("pipeline --start 2026-01-01", "query_startDate", "2026-01-01"),
        ("dashboard --end today", "query_endDate", "today"),
        ("generate-key --name a --desc b", "body_description", "b"),
        ("maintenance bugs report --desc b --email e", "body_userEmail", "e"),
        ("analytics report --report-format csv --format json", "body_format", "csv"),
        ("webhooks create --events a b", "body_events", ["a", "b"]),
        ("campaigns archive --todo-out f c1 c2", "path_id", ["c1", "c2"]),
        ("sequences enroll s --ids a b --ids c", "ids", ["a", "b", "c"]),
        ("leads import f.csv --map A=b --map C=d", "map", ["A=b", "C=d"]),
        ("leads enrich --ids a", "ids_from", None),
        ("keys list --show", "show", True),
        ("schema leads create", "name", ["leads", "create"]),
    ],
)
def test_fields_and_options_become_arguments(line, dest, value):
    assert getattr(parse(line)[1], dest) == value


def test_a_command_takes_what_its_operation_and_its_row_say():
    helps = {one.name: one.help for one in parser.takes(parser.find(["campaigns", "create"])[0])}
    assert helps["--campaign-type"] == "The kind of campaign. abm, demand_gen, nurture"
    assert ("--data" in helps, "--ids" in helps) == (True, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("laeds list", "There is no command laeds. There is leads"),
        ("leads lst", "There is no leads lst. There is list"),
        ("auth logut", "There is logout"),
        ("maintenance bug list", "There is bugs"),
        ("frobnicate", "There is leads, enrich-leads,"),
        ("leads get x", "lgp} leads list --email"),
        ("whoami", "lgp} auth status"),
        ("--limit 5", "--max-items"),
        ("leads list --limit 3", "no leads list --limit."),
        ("leads list --satus new", "There is --status."),
        ("leads list --max-item 3", "There is --max-items"),
        ("leads create --phone 1", "--phone-number"),
        ("leads delete lead_1", "There is --ids, --ids-from, "),
        ("leads list --json", "--format json"),
        ("campaigns update", "ID"),
        ("auth save-key --scope root", "'agent', 'system'"),
        ("auth save-key", "--scope"),
        ("leads list --yes", "--yes does nothing for this command"),
        ("enrich-leads list --page 2", "--page does nothing"),
        ("schema --dry-run", "--dry-run does nothing"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(line, said):
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert said in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "auth save-key --scope agent {}",
        "auth save-key --scope {}",
        "leads list --fields {}",
        "leads import {}",
        "campaigns get {}",
        "leads list --profile {}",
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_a_key_in_the_wrong_place_is_not_repeated(words, terminal, lgp):
    key = "lgp_" + "5" * 40
    reply = lgp(*words.format(key).split(), terminal=terminal)
    assert reply.code and key[:20] not in reply.err
    assert "Error:" in reply.err or reply.error["hint"]


@pytest.mark.parametrize("typed", ["--ye", "--yess", "--es", "-y", "--force"])
def test_yes_is_never_suggested(typed):
    with pytest.raises(UsageError) as caught:
        parse(f"leads delete --ids a {typed}")
    assert "--yes" not in str(caught.value).replace(typed, "") + caught.value.hint


@pytest.mark.parametrize("line", ["", "leads", "enrich-leads", "maintenance bugs"])
def test_a_group_alone_is_no_command(line):
    assert parser.find(line.split()) == (None, [])
