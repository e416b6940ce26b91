"""What later calls know from heals of earlier ones, in the memory of the process."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from agent.messages import Origin
from agent.providers.base import Adjustments

STREAM_OFF_S = 24 * 3_600.0
WINDOW_200K_S = 24 * 3_600.0
SMALLER_WINDOW = 200_000
KEPT = 1_024
"""Memos of one sort; the one that was used longest ago goes first."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_Model = tuple[str, str]
_NONE = ""
"""No effort field at all; not the level `none`."""


class _Table(Generic[K, V]):
    """A bounded table that forgets what was used longest ago, and what has lapsed."""

    def __init__(self, lasts_s: float | None = None) -> None:
        self._lasts_s = lasts_s
        self._rows: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K, now: float) -> V | None:
        row = self._rows.get(key)
        if row is None:
            return None
        if self._lasts_s is not None and now - row[0] >= self._lasts_s:
            del self._rows[key]
            return None
        self._rows.move_to_end(key)
        return row[1]

    def put(self, key: K, value: V, now: float) -> None:
        self._rows[key] = (now, value)
        self._rows.move_to_end(key)
        if len(self._rows) > KEPT:
            self._rows.popitem(last=False)

    def drop(self, key: K) -> None:
        self._rows.pop(key, None)


class Memos:
    """What is known of models, keys and chats. Times are seconds of any one clock.

    Streaming, media and effort belong to an endpoint and model, the header of the long window to
    a credential, the window's size to a credential and model, replay to a chat and Origin. What
    was found for an effort is forgotten when a chat changes its preference.
    """

    def __init__(self) -> None:
        self._effort: _Table[tuple[_Model, str], str] = _Table()
        self._preferred: _Table[tuple[str, _Model], str] = _Table()
        self._stream_off: _Table[_Model, bool] = _Table(STREAM_OFF_S)
        self._text_only: _Table[_Model, bool] = _Table()
        self._tool_images: _Table[_Model, bool] = _Table()
        self._replay_off: _Table[tuple[str, Origin], bool] = _Table()
        self._long_context_off: _Table[str, bool] = _Table()
        self._window_200k: _Table[tuple[str, str], bool] = _Table(WINDOW_200K_S)

    def adjust(
        self,
        origin: Origin,
        *,
        session: str,
        effort: str | None,
        now: float,
        credential: str = "",
    ) -> Adjustments:
        """How a call begins; `effort` is what is preferred, `credential` the key's label."""
        model = _model(origin)
        return Adjustments(
            effort=self._level(model, session, effort, now),
            replay=not self._replay_off.get((session, origin), now),
            stream=not self._stream_off.get(model, now),
            media=not self._text_only.get(model, now),
            tool_media=not (self._text_only.get(model, now) or self._tool_images.get(model, now)),
            long_context=not self._long_context_off.get(credential, now),
        )

    def window(self, origin: Origin, credential: str, window: int, now: float) -> int:
        """The context window that this key has of the model, in tokens."""
        smaller = self._window_200k.get((credential, origin.model), now)
        return min(window, SMALLER_WINDOW) if smaller else window

    def keep(
        self,
        name: str,
        origin: Origin,
        *,
        session: str,
        credential: str,
        adjustments: Adjustments,
        now: float,
    ) -> None:
        """Remember what an Adjust names. Raises ValueError for a name that nobody knows."""
        model = _model(origin)
        match name:
            case "effort":
                self._keep_effort(model, session, adjustments.effort, now)
            case "stream_off":
                self._stream_off.put(model, True, now)
            case "text_only":
                self._text_only.put(model, True, now)
            case "tool_images":
                self._tool_images.put(model, True, now)
            case "replay_off":
                self._replay_off.put((session, origin), True, now)
            case "long_context_off":
                self._long_context_off.put(credential, True, now)
            case "window_200k":
                self._window_200k.put((credential, origin.model), True, now)
            case _:
                raise ValueError(f"nothing is remembered as {name}")

    def _level(self, model: _Model, session: str, effort: str | None, now: float) -> str | None:
        preferred = effort or _NONE
        before = self._preferred.get((session, model), now)
        if before is not None and before != preferred:
            self._effort.drop((model, before))
            self._effort.drop((model, preferred))
        self._preferred.put((session, model), preferred, now)
        found = self._effort.get((model, preferred), now)
        return (preferred if found is None else found) or None

    def _keep_effort(self, model: _Model, session: str, level: str | None, now: float) -> None:
        preferred = self._preferred.get((session, model), now)
        if preferred is not None:
            self._effort.put((model, preferred), level or _NONE, now)


def _model(origin: Origin) -> _Model:
    return origin.endpoint, origin.model
