"""Messages that came another way than over OSC: nobody waits for an answer, so whoever subscribes to jobs hears what is refused."""

import logging

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.codec import OscMessage
from bridge.osc.parse import EdgeCommand, parse
from bridge.osc.server import Handler, OscServer

log = logging.getLogger("bridge.osc")


class Bystanders:
    """All calls belong to the event loop's thread."""

    def __init__(self, server: OscServer, handler: Handler) -> None:
        self._server = server
        self._handler = handler

    def obey(self, message: OscMessage) -> None:
        """Carry out a message as if it had come over OSC; whatever it is, this returns.

        Its answers go where its `reply_to` says, if it has one.
        """
        nobody = self._server.reporter(None)
        try:
            parsed = parse(message)
            if isinstance(parsed.command, EdgeCommand):
                raise BridgeError(  # noqa: TRY301 - refused like whatever the handler refuses
                    ErrorCode.NOT_SUPPORTED, f"{message.address} is for clients that can be answered over OSC"
                )
            if parsed.command is not None:
                self._handler.handle(parsed.command, self._server.reporter(parsed.reply_to))
        except BridgeError as error:
            nobody.refuse("", message.address, error)
        except Exception:
            log.exception("handling %s", message.address)
            problem = BridgeError(ErrorCode.INTERNAL, "a fault in StemBridge; its log has the details")
            nobody.refuse("", message.address, problem)
