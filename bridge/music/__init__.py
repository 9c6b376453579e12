"""Pure values and arithmetic of music: sound, notes, tempo, quality. No room above, no input or output."""
