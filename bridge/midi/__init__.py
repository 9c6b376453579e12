"""From notes to MIDI messages on time: the player process, the ports, MIDI files."""
