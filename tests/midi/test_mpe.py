"""Each note on a member channel of its own."""

from tests.midi.rig import DRUMS, VOCALS, bent, loaded, note, registered, spoken


def test_in_mpe_the_zone_is_configured_then_each_sounding_note_has_a_member_channel_and_its_own_bend():
    notes = [bent(0.1, 60, 0.4, (0.0, 50.0), (0.2, 4800.0)), bent(0.2, 64, 0.4, (0.0, -100.0)), note(0.3, 67, 0.1)]
    rig = loaded(notes, overrides={"bend": 2, "channel": 7}, program=5)
    rig.launch(VOCALS)
    rig.run(1.0)
    assert spoken(rig.out) == [
        (0.1, 1, "program", 5),
        *registered(0.1, 1, 6, 15),
        *registered(0.1, 2, 0, 48),
        (0.1, 2, "bend", 85),
        (0.1, 2, "on", 60),
        *registered(0.2, 3, 0, 48),
        (0.2, 3, "bend", -171),
        (0.2, 3, "on", 64),
        (0.3, 2, "bend", 8191),
        *registered(0.3, 4, 0, 48),
        (0.3, 4, "on", 67),
        (0.4, 4, "off", 67),
        (0.5, 2, "off", 60),
        (0.5, 2, "bend", 0),
        (0.6, 3, "off", 64),
        (0.6, 3, "bend", 0),
    ]
    assert rig.sequencer.clamped == 0


def test_members_are_taken_in_turn_and_the_longest_rested_first():
    rig = loaded([note(n / 10, 60, 0.05) for n in range(16)], overrides={"bend": 2})
    rig.launch(VOCALS)
    rig.run(2.0)
    assert [on.place[0] for on in rig.ons] == [*range(2, 17), 2]


def test_the_same_pitch_twice_sounds_on_two_members_and_more_notes_than_members_still_all_end():
    rig = loaded([note(n / 100, 60, 1.0) for n in range(20)], overrides={"bend": 2})
    rig.launch(VOCALS)
    rig.run(0.5)
    assert rig.sounding() == {(channel, 60) for channel in range(2, 17)}
    rig.run(1.0)
    assert rig.sounding() == set()


def test_members_keep_off_the_channels_of_parts_outside_mpe():
    rig = loaded([note(n / 10 + 0.05, 60, 0.05) for n in range(16)], overrides={"bend": 2})
    loaded([note(0.0, 36, 0.1)], DRUMS, rig=rig, overrides={"bend": 2})
    rig.launch(VOCALS, DRUMS)
    rig.run(2.0)
    channels = [on.place[0] for on in rig.ons]
    assert channels[:15] == [10, *(channel for channel in range(2, 17) if channel != 10)]
    assert 10 not in channels[1:]


def test_reports_name_the_channel_that_a_note_sounds_on():
    rig = loaded([note(0.0, 60, 0.1)], overrides={"bend": 2})
    rig.launch(VOCALS)
    rig.run(0.5)
    assert [o.emission.note.channel for o in rig.notes] == [2, 2]
