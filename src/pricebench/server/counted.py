"""A connection's transport that writes down how much it is about to send, for the case that this process is killed."""

from __future__ import annotations

import asyncio

from pricebench.server.board import Board


class CountedTransport:
    """Has what uvicorn's protocol asks of a transport."""

    def __init__(self, transport: asyncio.Transport, board: Board, place: int) -> None:
        """Count from now on.

        Args:
            transport: What sends.
            board: Where it is written down.
            place: On the board.
        """
        self._write = transport.write
        self._answered = board.answered
        self._place = place
        # The rest as it is, without a call in between.
        self.abort = transport.abort
        self.close = transport.close
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, content: bytes) -> None:
        """Send."""
        # Before any of it can leave.
        self._answered[self._place] += len(content)
        self._write(content)
