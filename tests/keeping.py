"""What keeps the bytes that come with messages, in memory."""

from hashlib import sha256


class Keeping:
    """`await keeping(data)` keeps bytes under their digest; `kept` has them all."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def __call__(self, data: bytes) -> str:
        name = sha256(data).hexdigest()
        self.kept[name] = data
        return name
