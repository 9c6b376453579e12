"""How many errors one client is told: a token bucket."""

from dataclasses import dataclass

ERRORS_PER_SECOND = 20.0
ERROR_BURST = 40.0


@dataclass(slots=True)
class ErrorLimit:
    """Lets a burst through, then a steady trickle."""

    tokens: float = ERROR_BURST
    updated: float = 0.0
    """`time.monotonic()`."""
    suppressed: int = 0
    """Errors not sent since it last was full."""
    announced: bool = False
    """Whether the client knows that errors are being left out."""

    def open(self, now: float) -> bool:
        """Whether an error may be sent now. Looking costs nothing, so a refusal need not be worded in vain."""
        self.tokens = min(ERROR_BURST, self.tokens + (now - self.updated) * ERRORS_PER_SECOND)
        self.updated = now
        if self.tokens >= ERROR_BURST:
            self.announced, self.suppressed = False, 0
        return self.tokens >= 1.0

    def take(self, now: float) -> bool:
        """Use one if there is one; count it as suppressed if not."""
        if not self.open(now):
            self.suppressed += 1
            return False
        self.tokens -= 1.0
        return True

    def announce(self) -> bool:
        """Whether this is the moment to say, once until it was calm again, that errors are left out."""
        if self.announced or self.tokens >= 1.0:
            return False
        self.announced = True
        return True
