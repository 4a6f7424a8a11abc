"""Commands: found by their words, parsed by openapi.json, and a helpful word for everything else."""

from __future__ import annotations

import pytest

from cli import parser
from cli.commands import COMMANDS, EXTRA, GROUPS, MISSING, Command
from contract.operations import operations
from leadgenius.errors import UsageError


def named(words: str) -> Command:
    return next(one for one in COMMANDS if one.words == words)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.words)
def test_every_row_is_found_by_its_words_and_its_example_parses(command: Command) -> None:
    import shlex

    assert parser.find(command.words.split()) == (command, [])
    words = shlex.split(command.example.replace("{lgp} ", "").split(" < ")[0])
    from cli import options

    found, rest = options.split(words, {})
    found_command, rest = parser.find(rest)
    assert found_command is command
    parser.parse(command, rest)
    options.check_served(found, parser.option_groups(command))


def test_every_operation_has_a_command_and_every_command_a_known_operation() -> None:
    reached = {one.operation for one in COMMANDS if one.operation}
    assert set(operations()) == reached


def test_extra_options_and_groups_are_known() -> None:
    assert {name for one in COMMANDS for name in one.extra.split()} == set(EXTRA)
    assert {one.words.split()[0] for one in COMMANDS} == {name for _, name, _ in GROUPS}


def test_no_missing_command_shadows_one_there_is() -> None:
    assert not {one.words for one in COMMANDS} & set(MISSING)


def test_fields_become_flags_in_kebab_case() -> None:
    words = [
        "--first-name",
        "Mara",
        "--last-name",
        "Okafor",
        "--email",
        "m@x.example",
        "--client-id",
        "c",
        "--campaign-id",
        "k",
    ]
    found = parser.parse(named("leads create"), words)
    assert (found.body_firstName, found.body_client_id, found.body_campaignId) == ("Mara", "c", "k")


def test_documented_short_flags_stay() -> None:
    assert (
        parser.parse(named("pipeline"), ["--start", "2026-01-01"]).query_startDate == "2026-01-01"
    )
    assert (
        parser.parse(named("generate-key"), ["--name", "a", "--desc", "b"]).body_description == "b"
    )
    assert parser.parse(named("maintenance bugs report"), ["--desc", "b"]).body_description == "b"


def test_the_deepest_command_wins() -> None:
    command, rest = parser.find(["maintenance", "bugs", "report", "--desc", "x"])
    assert (command.words, rest) == ("maintenance bugs report", ["--desc", "x"])
    assert parser.find(["auth"])[0].words == "auth"
    assert parser.find(["auth", "status"])[0].words == "auth status"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["laeds", "list"], "Did you mean leads"),
        (["leads", "lst"], "Did you mean list"),
        (["auth", "logut"], "Did you mean logout"),
        (["leads", "get", "x"], "leads get"),
        (["whoami"], "whoami"),
        (["maintenance", "bug", "list"], "Did you mean bugs"),
        (["frobnicate"], "There are: leads"),
        (["--limit", "5"], "--max-items"),
        ([], "words come before"),
    ],
)
def test_an_unknown_command_says_what_is_near(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser.find(words)
    assert said in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("leads list", ["--satus", "new"], "--status"),
        ("leads create", ["--phone", "1"], "--phone-number"),
        ("leads list", ["extra"], "values go behind options"),
        ("leads delete", ["lead_1"], "ids go behind --ids"),
        ("leads list", ["--json"], "--format json"),
        ("leads create", ["-d", "{}"], "--data"),
        ("campaigns get", [], "CAMPAIGN"),
    ],
)
def test_an_unknown_option_says_what_it_is_called_here(
    command: str, words: list[str], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse(named(command), words)
    assert said in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("typed", ["--ye", "--yess", "--es"])
def test_yes_is_never_suggested(typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse(named("leads delete"), ["--ids", "a", typed])
    assert "--yes" not in str(caught.value).replace(typed, "") + caught.value.hint


def test_a_group_alone_is_a_group_and_a_command_is_none() -> None:
    assert parser.is_group(["leads"])
    assert parser.is_group(["maintenance", "bugs"])
    assert not parser.is_group(["auth"])
    assert not parser.is_group(["leads", "list"])
    assert not parser.is_group(["nothing"])


def test_options_serve_the_commands_they_mean_something_for() -> None:
    assert "yes" in parser.option_groups(named("leads delete"))
    assert "yes" not in parser.option_groups(named("leads list"))
    assert {"list", "page"} <= parser.option_groups(named("leads list"))
    assert "page" not in parser.option_groups(named("enrich-leads list"))
    assert "send" not in parser.option_groups(named("schema"))
