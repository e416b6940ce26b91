"""What the suite sends: the same operations to every adapter."""

from typing import Any

from platforms.blocks import Blocks, plain
from platforms.content import Button, Post
from platforms.events import ChatRef

GO = Button(label="Go", payload="v1:" + "~!{|}" + "A" * 56)
"""64 bytes, as many as any platform carries, signs among them."""


def post(chat: ChatRef, body: Blocks | str, *, nonce: str = "n1", **more: Any) -> Post:
    """A message to post."""
    return Post(chat=chat, body=plain(body) if isinstance(body, str) else body, nonce=nonce, **more)


def card(chat: ChatRef, nonce: str = "card1") -> Post:
    """A message with a button."""
    return post(chat, "Shall I?", nonce=nonce, controls=((GO,),))
