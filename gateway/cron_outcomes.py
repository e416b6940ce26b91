"""What became of a fire, read from its turn: sent, tried again, failed; and what follows."""

from agent.effects import Mark
from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.cron_news import News
from gateway.cron_slots import NOTICE_AFTER, PAUSE_AFTER, retry_after
from gateway.store.base import Tx
from gateway.store.records import chats, cron, fires, outbox
from gateway.store.records.cron import Job
from gateway.store.records.fires import Fire, Followed
from gateway.store.records.outbox import NewOutbox
from platforms.markup import parse


class Outcomes:
    """Moves fires on; every method runs in the caller's unit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def settle(self, tx: Tx, followed: Followed, news: News) -> None:
        """Move a fire to where its turn is."""
        fire, now = followed.fire, self._clock.now()
        if followed.withdrawn:
            fires.move(tx, fire.id, "failed", reason="stopped before it began", now=now)
            return
        posted = fires.post_states(tx, fire.turn_id) if fire.turn_id is not None else frozenset()
        match followed.turn_state:
            case "done" | "failed" if not posted and _is_silent(followed):
                fires.move(tx, fire.id, "nothing_to_say", now=now)
                cron.count_failures(tx, fire.job, 0)
            case "done" if posted & {"pending", "in_flight"}:
                fires.move(tx, fire.id, "sending", now=now)
            case "done" if "dead" in posted:
                fires.move(tx, fire.id, "failed", reason="its answer can't be delivered", now=now)
                self._failed(tx, fire, news)
            case "done":
                doubt = "nobody can tell whether it stands" if "unknown" in posted else ""
                fires.move(tx, fire.id, "delivered", reason=doubt, now=now)
                cron.count_failures(tx, fire.job, 0)
            case "cancelled":
                fires.move(tx, fire.id, "failed", reason="stopped", now=now)
            case _:
                self._try_again(tx, followed, news)

    def _try_again(self, tx: Tx, followed: Followed, news: News) -> None:
        """A turn that failed before any effect gets further tries."""
        fire, now = followed.fire, self._clock.now()
        reason = followed.error or "it was ended"
        wait = retry_after(fire.attempt) if followed.turn_state == "failed" else None
        acted = fire.turn_id is not None and fires.had_effect(tx, fire.turn_id)
        if wait is not None and not acted:
            begin_at = now + int(wait.total_seconds() * 1_000_000)
            fires.again(tx, fire.id, begin_at=begin_at, reason=reason)
            return
        fires.move(tx, fire.id, "failed", reason=reason, now=now)
        self._failed(tx, fire, news)

    def _failed(self, tx: Tx, fire: Fire, news: News) -> None:
        """Count a failure; people hear of the third in a row, and after the tenth it rests."""
        job = cron.get(tx, fire.job)
        if job is None or job.state == "removed":
            return
        failures = job.failures + 1
        cron.count_failures(tx, job.name, failures)
        chat = refs.root_text(job.definition.deliver)
        if chats.state_of(tx, account=fire.account, chat=chat) == "dead":
            self.pause_for_chat(tx, job, fire, news)
        elif failures >= PAUSE_AFTER:
            if cron.pause(tx, job.name, f"it failed {failures} times in a row"):
                text = (
                    f"The job {job.name} failed {failures} times in a row and rests now:"
                    f" gatepost why f{fire.id}, then gatepost cron resume {job.name}."
                )
                news.owners.append((f"cron:{job.name}:{fire.id}", text))
        elif failures == NOTICE_AFTER:
            row = outbox.insert(tx, self._notice(job, fire, failures), now=self._clock.now())
            news.rows.extend((row,) if row is not None else ())

    def pause_for_chat(self, tx: Tx, job: Job, fire: Fire, news: News) -> None:
        if cron.pause(tx, job.name, "its chat can't be written to"):
            text = (
                f"The job {job.name} rests: {job.definition.deliver} can't be written to."
                f" When it can: gatepost cron resume {job.name}."
            )
            news.owners.append((f"cron:{job.name}:{fire.id}", text))

    def _notice(self, job: Job, fire: Fire, failures: int) -> NewOutbox:
        text = (
            f"The scheduled job {job.name} has failed {failures} times in a row."
            f" Its operator can look it up (ref f{fire.id})."
        )
        return outgoing.notice(
            key=f"f{fire.id}:failures",
            account=fire.account,
            chat=job.definition.deliver,
            words=outgoing.Words(body=parse(text)),
            nonce=self._clock.nonce(),
        )


def _is_silent(followed: Followed) -> bool:
    """Whether a turn came to its end and had nothing to say."""
    return followed.turn_state == "done" or followed.mark == Mark.EMPTY.value


def has_left(tx: Tx, fire: Fire) -> bool:
    """Whether nothing of an answer waits to leave."""
    states = fires.post_states(tx, fire.turn_id) if fire.turn_id is not None else frozenset()
    return states.isdisjoint({"pending", "in_flight"})
