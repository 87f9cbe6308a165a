"""How a request may end without a status of HTTP, in words that reports keep."""

GIVEN_UP = "given up"
"""Too many waited for a connection."""

RESET = "reset"
"""The server ended the connection on which it was."""

REFUSED = "refused"
"""There was no connection to be had."""

NO_ANSWER = "no answer"
"""None came in time."""
