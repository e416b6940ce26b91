"""Log-ins with their tokens, what keys rest for, and when each was last of use."""

from agent.credential_rests import Cause, Place, Rest
from agent.oauth_services import Tokens
from gateway.store.base import Tx


def login(tx: Tx, name: str) -> Tokens | None:
    """The tokens of a login, None if nobody has logged in."""
    row = tx.row(
        "SELECT access_token, refresh_token, expires_at, obtained_at, generation, account"
        " FROM credential_login WHERE name = ?",
        name,
    )
    if row is None:
        return None
    access, refresh, expires_at, obtained_at, generation, account = row
    return Tokens(
        access=access,
        refresh=refresh,
        expires_at=expires_at,
        obtained_at=obtained_at,
        generation=generation,
        account=account,
    )


def keep_login(tx: Tx, name: str, service: str, tokens: Tokens) -> None:
    """Store the tokens of a login in place of those before."""
    tx.run(
        "INSERT INTO credential_login (name, service, access_token, refresh_token, expires_at,"
        " obtained_at, generation, account) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET service = excluded.service,"
        " access_token = excluded.access_token, refresh_token = excluded.refresh_token,"
        " expires_at = excluded.expires_at, obtained_at = excluded.obtained_at,"
        " generation = excluded.generation, account = excluded.account",
        name,
        service,
        tokens.access,
        tokens.refresh,
        tokens.expires_at,
        tokens.obtained_at,
        tokens.generation,
        tokens.account,
    )


def rests(tx: Tx) -> tuple[Rest, ...]:
    """Every rest, also those that are over: their streaks count."""
    rows = tx.rows(
        "SELECT credential, model, cause, label, began_at, rests_until, streak, dead, why"
        " FROM credential_rest ORDER BY credential, model, cause"
    )
    return tuple(
        Rest(
            key=key,
            model=model,
            cause=Cause(cause),
            label=label,
            began_at=began_at,
            until=until,
            streak=streak,
            dead=bool(dead),
            why=why,
        )
        for key, model, cause, label, began_at, until, streak, dead, why in rows
    )


def keep_rest(tx: Tx, rest: Rest) -> None:
    """Store a rest in place of the one of its key, model and cause."""
    tx.run(
        "INSERT INTO credential_rest (credential, model, cause, label, began_at, rests_until,"
        " streak, dead, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (credential, model, cause) DO UPDATE SET label = excluded.label,"
        " began_at = excluded.began_at, rests_until = excluded.rests_until,"
        " streak = excluded.streak, dead = excluded.dead, why = excluded.why",
        rest.key,
        rest.model,
        rest.cause.value,
        rest.label,
        rest.began_at,
        rest.until,
        rest.streak,
        int(rest.dead),
        rest.why,
    )


def end_rest(tx: Tx, place: Place) -> None:
    """Forget a rest and its streak."""
    key, model, cause = place
    tx.run(
        "DELETE FROM credential_rest WHERE credential = ? AND model = ? AND cause = ?",
        key,
        model,
        cause.value,
    )


def end_rests_of(tx: Tx, key: str) -> None:
    """Forget every rest of a key."""
    tx.run("DELETE FROM credential_rest WHERE credential = ?", key)


def forget_old(tx: Tx, *, before: int) -> None:
    """Forget rests that were over by a time: no streak goes on for so long."""
    tx.run("DELETE FROM credential_rest WHERE dead = 0 AND rests_until < ?", before)


def uses(tx: Tx) -> tuple[tuple[str, int], ...]:
    """When each key was last of use."""
    rows = tx.rows("SELECT credential, last_good_at FROM credential_use ORDER BY credential")
    return tuple((key, at) for key, at in rows)


def keep_use(tx: Tx, key: str, label: str, at: int) -> None:
    """Note when a key was last of use."""
    tx.run(
        "INSERT INTO credential_use (credential, label, last_good_at) VALUES (?, ?, ?)"
        " ON CONFLICT (credential) DO UPDATE SET label = excluded.label,"
        " last_good_at = excluded.last_good_at",
        key,
        label,
        at,
    )
