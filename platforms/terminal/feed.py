"""What the terminals of one chat have to show: the present state of each thing, and what is new.

Theory of operation. Every change takes the next version number and replaces the earlier change of
the same thing (a message, the sign of life, the notice), so a slow terminal finds the latest state
and never a queue of states. `shown` is the highest version any terminal was sent: a terminal that
opens later begins there, and so gets what came while none was open, once. `unnoted`: more was
shown than is known beyond this memory. After a restart the feed is empty, and `recall` puts in
front what was missed before. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace

from platforms import blocks
from platforms.terminal.wire import File, MessageGone, MessageShown, Noticed, Push, Working

_WORKING = "working"
_NOTICE = "notice"


class Feed:
    """One chat's changes; see above."""

    def __init__(self, *, keep: int) -> None:
        self._keep = keep
        # By thing: place of its first appearance, version of its last change, its state.
        self._things: dict[str, tuple[int, int, Push]] = {}
        self._without_file: set[str] = set()
        self.version = 0
        self.shown = 0
        self.unnoted = False

    def known(self) -> frozenset[str]:
        """The ids of all messages that stand here whole."""
        return frozenset(
            push.message_id
            for _, _, push in self._things.values()
            if isinstance(push, MessageShown | MessageGone)
            and push.message_id not in self._without_file
        )

    def recall(self, missed: Sequence[MessageShown | MessageGone]) -> None:
        """Put messages from before in front of all others; one that stands here is as it was.

        One whose file was forgotten gets it back.
        """
        fresh: dict[str, tuple[int, int, Push]] = {}
        front = min((place for place, _, _ in self._things.values()), default=1) - len(missed)
        for place, push in enumerate(missed, start=front):
            subject = _subject(push.message_id)
            standing = self._things.get(subject)
            if standing is None:
                self.version += 1
                fresh[subject] = (place, self.version, push)
            elif push.message_id in self._without_file:
                self._without_file.discard(push.message_id)
                self._things[subject] = (*standing[:2], push)
        self._things = fresh | self._things
        self._forget()

    def put(self, message: MessageShown) -> None:
        """A new message, or the whole new state of one."""
        self._record(_subject(message.message_id), message)

    def retire(self) -> None:
        """It is not its chat's feed any more, so what it has shown is no longer all there is."""
        self.version += 1

    def forget_file(self, message_id: str) -> None:
        """Keep a message without its file; who has it already is told nothing."""
        match self._things.get(_subject(message_id)):
            case (place, changed, MessageShown(file=File(name=name), body=body) as shown):
                note = blocks.plain(f"The file {name} is no longer kept here.")
                left = replace(shown, body=(*body, *note), file=None)
                self._things[_subject(message_id)] = (place, changed, left)
                self._without_file.add(message_id)
            case _:
                pass

    def withdraw(self, message_id: str) -> None:
        """A message is taken back."""
        self._record(_subject(message_id), MessageGone(message_id=message_id))

    def work(self, label: str | None) -> None:
        """The sign of life, or None for rest."""
        self._record(_WORKING, Working(label=label))

    def notice(self, text: str, *, alert: bool) -> None:
        """A short private word; only the last one is kept."""
        self._things.pop(_NOTICE, None)  # the same words again are news
        self._record(_NOTICE, Noticed(text=text, alert=alert))

    def since(self, version: int) -> tuple[Push, ...]:
        """The latest state of all that changed after a version, in order of first appearance."""
        changed = [thing for thing in self._things.values() if thing[1] > version]
        return tuple(push for _, _, push in sorted(changed, key=lambda thing: thing[:2]))

    def _record(self, subject: str, push: Push) -> None:
        known = self._things.get(subject)
        if known is not None and known[2] == push:
            return
        self.version += 1
        # A message keeps its place among messages; rest after the last words comes after them.
        place = self.version
        if known is not None and isinstance(push, MessageShown | MessageGone):
            place = known[0]
        self._things[subject] = (place, self.version, push)
        if isinstance(push, MessageShown | MessageGone):
            self._without_file.discard(push.message_id)
        self._forget()

    def _forget(self) -> None:
        """Let the oldest things go."""
        while len(self._things) > self._keep:
            oldest = next(iter(self._things))
            match self._things.pop(oldest):
                case (_, _, MessageShown(message_id=ident)):
                    self._without_file.discard(ident)
                case _:
                    pass


def _subject(message_id: str) -> str:
    return f"message {message_id}"
