"""Commands: carried out once, in time, and only if somebody here knows the verb."""

import logging
from collections.abc import Callable
from typing import Any

from broker.codec import Command
from edge.outbox import Outbox

CommandHandler = Callable[[dict[str, Any]], None]
_logger = logging.getLogger(__name__)


class Commands:
    """The verbs of a device, and which commands it has had.

    Parameters
    ----------
    outbox
        Remembers the ids of commands, across restarts, for as long as they are valid.
    on_refused
        Called with the reason of each refusal.
    """

    def __init__(self, outbox: Outbox, on_refused: Callable[[str], None]) -> None:
        self._outbox = outbox
        self._on_refused = on_refused
        self._handlers: dict[str, CommandHandler] = {}

    def allow(self, verb: str, handler: CommandHandler) -> None:
        """Have `handler` called with the arguments of commands with this verb."""
        self._handlers[verb] = handler

    def receive(self, command: Command, now_s: float, is_synchronised: bool) -> bool:
        """Carry out a command, or refuse it and say why; return whether it was carried out.

        One that was carried out before is passed over: a retained command comes again with every connection. Its id is
        made durable first: after a power cut in the middle it is not done twice, but perhaps not at all, and whoever
        sent it sees from the readings that it was not.
        """
        handler = self._handlers.get(command.verb)
        if handler is None:
            return self._refuse(command, f"the verb {command.verb!r} is not known here")
        if not is_synchronised:
            return self._refuse(command, "the clock is not right, so nobody knows whether it has expired")
        if command.expires_at_ms <= now_s * 1000:
            return self._refuse(command, f"it expired {now_s - command.expires_at_ms / 1000:.0f} s ago")
        if not self._outbox.begin_command(command.id, command.expires_at_ms, int(now_s * 1000)):
            _logger.info("%s: the command %s was carried out already.", self._outbox.device, command.id)
            return False
        try:
            handler(command.arguments)
        except Exception:
            _logger.exception("%s: the command %s (%s) failed.", self._outbox.device, command.id, command.verb)
            self._on_refused("it failed")
            return False
        _logger.info("%s: carried out the command %s (%s).", self._outbox.device, command.id, command.verb)
        return True

    def _refuse(self, command: Command, why: str) -> bool:
        _logger.warning("%s: refused the command %s: %s.", self._outbox.device, command.id, why)
        self._on_refused(why)
        return False
