"""What can fail when the listener opens."""

from gateway.errors import GatewayError


class ListenError(GatewayError):
    """The port cannot be opened until someone changes something: show the text, end with 78."""
