"""The address table holds together: what it lists is parsed, said and shown, and nothing else is."""

import typing

import pytest

from bridge.errors import BridgeError
from bridge.osc.codec import OscMessage
from bridge.osc.markdown import address_table
from bridge.osc.parse import EdgeCommand, parse
from bridge.osc.rows import Argument, Kind, Topic
from bridge.osc.table import INCOMING, OUTGOING, only_sent
from bridge.session.commands import Command
from bridge.session.parameters import PARAMETERS


def sample(a: Argument):
    """A valid value for an argument."""
    if a.kind in (Kind.CHOICE, Kind.CHOICES):
        return a.choices[-1]
    if a.minimum is not None:
        return a.minimum if a.name in ("start", "loop_start") else a.maximum
    return {
        Kind.TEXT: "word",
        Kind.SWITCH: 1,
        Kind.PATH: "/music/a.wav",
        Kind.PEER: "127.0.0.1:9000",
        Kind.HOST: "127.0.0.1",
        Kind.ANY: 7,
        Kind.NUMBER: 1,
    }[a.kind]


def samples(address):
    """A message with only what must be there, one with every fixed argument, and one more for each pair."""
    row = INCOMING[address]
    required = tuple(sample(a) for a in row.fixed if not a.optional)
    fixed = tuple(sample(a) for a in row.fixed)
    return [required, fixed, *((*fixed, a.name, sample(a)) for a in row.pairs if a.name != "follow")]


@pytest.mark.parametrize("address", INCOMING)
def test_every_incoming_address_is_parsed_with_every_argument_it_lists(address):
    for arguments in samples(address):
        assert parse(OscMessage(address, arguments)).command is not None


@pytest.mark.parametrize("address", INCOMING)
def test_every_listed_bound_is_the_bound(address):
    row = INCOMING[address]
    fixed = [sample(a) for a in row.fixed]
    bounded = [(i, a) for i, a in enumerate(row.fixed) if a.minimum is not None]
    for i, a in bounded:
        for value in (a.minimum - 1, a.maximum + 1):
            with pytest.raises(BridgeError, match=a.name):
                parse(OscMessage(address, (*fixed[:i], value, *fixed[i + 1 :])))
    for a in row.pairs:
        if a.minimum is not None:
            middle = (a.minimum + a.maximum) / 2
            assert parse(OscMessage(address, (*fixed, a.name, round(middle) if a.kind is Kind.WHOLE else middle)))
            for value in (a.minimum - 1, a.maximum + 1):
                with pytest.raises(BridgeError, match=a.name):
                    parse(OscMessage(address, (*fixed, a.name, value)))


def test_every_command_can_be_asked_for():
    reached = {type(parse(OscMessage(a, arguments)).command) for a in INCOMING for arguments in samples(a)}
    assert reached == set(typing.get_args(Command)) | set(typing.get_args(EdgeCommand))


def test_every_answer_that_is_listed_is_an_outgoing_address():
    for row in INCOMING.values():
        assert set(row.answers) <= set(OUTGOING), row.address


def test_every_live_parameter_is_an_address_both_ways():
    for name in PARAMETERS:
        assert f"/bridge/param/{name}" in INCOMING
        assert f"/bridge/param/{name}" in OUTGOING


def test_every_topic_has_something_to_say():
    assert {row.topic for row in OUTGOING.values()} == {*Topic, None}


def test_optional_arguments_come_last_and_stay_tellable_from_pairs():
    for row in INCOMING.values():
        flags = [a.optional for a in row.fixed]
        assert flags == sorted(flags), row.address
        if row.pairs:
            assert sum(flags) <= 1, f"{row.address}: only one optional argument can stand before pairs"


def test_only_what_is_never_taken_counts_as_an_echo():
    assert only_sent("/bridge/error")
    assert only_sent("/bridge/job/done")
    assert not only_sent("/bridge/panic")
    assert not only_sent("/bridge/nothing")


def test_every_row_is_shown_with_all_its_arguments():
    incoming, outgoing = address_table().split("What comes back:")
    for rows, text in ((INCOMING, incoming), (OUTGOING, outgoing)):
        lines = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
        assert set(lines) == set(rows)
        for address, row in rows.items():
            names = [a.name for a in (row.fixed if rows is INCOMING else row.arguments) + row.pairs]
            assert all(f"`{name}`" in lines[address] for name in names)


def test_the_shown_table_is_a_table():
    for block in address_table().split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert {line.replace("\\|", "").count("|") for line in lines} in ({5}, set())
