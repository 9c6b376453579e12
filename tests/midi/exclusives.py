"""StemBridge's system exclusive, as a script in a DAW writes it."""

from urllib.parse import quote


def exclusive(*words: object) -> bytes:
    """The message that carries these words."""
    text = " ".join(quote(str(word), safe="/._-~:+,") for word in words)
    return bytes((0xF0, 0x7D, 0x53, 0x42, 0x00)) + text.encode("ascii") + bytes((0xF7,))
