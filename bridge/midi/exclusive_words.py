"""StemBridge's own system exclusive: words, for scripts in DAWs that can send MIDI and nothing else.

    F0 7D 53 42 00  words  F7

7D is the number for those without a manufacturer's, 53 42 are S and B, 00 says that words follow: ASCII, one space between two. A byte
that is no letter, digit or one of `/._-~:+,` is written as % and two hexadecimal digits, a character beyond ASCII as its bytes in
UTF-8: so any path fits into seven bits. JavaScript's `encodeURIComponent` and Python's `urllib.parse.quote` write such words.
"""

from urllib.parse import unquote

from bridge.errors import BridgeError, ErrorCode

_BEGINNING = bytes((0xF0, 0x7D, 0x53, 0x42, 0x00))


def read_words(message: bytes) -> list[str] | None:
    """Return the words that a whole message carries, None where it is none of ours.

    Raises:
        BridgeError: BAD_MESSAGE where there are none, or a word is no UTF-8 or not printable.

    """
    if not message.startswith(_BEGINNING):
        return None
    words = message[len(_BEGINNING) : -1].decode("ascii", "replace").split()
    if not words:
        raise BridgeError(
            ErrorCode.BAD_MESSAGE, "a system exclusive without words; expected an address and its arguments"
        )
    try:
        plain = [unquote(word, errors="strict") for word in words]
    except UnicodeDecodeError as error:
        raise BridgeError(
            ErrorCode.BAD_MESSAGE, f"a system exclusive with a word that is no UTF-8: {error.reason}"
        ) from error
    if not all(word.isprintable() for word in plain):
        raise BridgeError(ErrorCode.BAD_MESSAGE, "a system exclusive with a word that cannot be printed")
    return plain
