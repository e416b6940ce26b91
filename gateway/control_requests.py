"""Pure: what the command line may ask over the control socket, as JSON lines.

{"do": "status"}                              {"ok": {...}}
{"do": "why", "id": ID}                       {"ok": [line, ...]}
{"do": "send", "chat", "text", "key"}         {"ok": outbox row}
{"do": "send_file", "chat", "name", "mime", "data": BASE64, "key"}   {"ok": outbox row}
{"do": "trigger", "name": JOB, "key": KEY or "", "data": TEXT or ""}  {"ok": {"fire", "new"}}
{"do": "chat", "name": NAME or ""}            {"ok": chat}, then the terminal's own lines
{"do": "examine"}                             {"ok": {...}} about the database
{"do": "backup"}                              {"ok": folder}: a copy that stays until the next
                                              line, or the end of the connection
{"do": "backed_up", "path": FILE}             {"ok": null}: that copy was packed into FILE
{"do": "approvals"}                           {"ok": [card, ...]}
{"do": "show", "code"}                        {"ok": the card's whole text}
{"do": "decide", "verb": "approve" | "deny" | "answer", "code", "words", "at_most", "item",
       "confirmed"}                           {"ok": {"text", "done"}}
{"do": "spend", "stretch": "day" | "month", "by": FIELD or ""}       {"ok": {...}}
{"do": "freeze" | "unfreeze", "chat": CHAT or "all"}                 {"ok": {"text", "done"}}
{"do": "clear_estimator", "name"}             {"ok": {"text", "done"}}
{"do": "grants"}                              {"ok": [grant, ...]}
{"do": "revoke", "id"}                        {"ok": {"text", "done"}}
{"do": "credentials"}                         {"ok": [key, ...]}
{"do": "retry_credential", "label"}           {"ok": one sentence}
{"do": "keep_login", "service", "account", "access", "refresh", "expires_at", "owner"}
                                              {"ok": one sentence}
{"do": "jobs"}                                {"ok": [job, ...]}
{"do": "change_job", "verb": "pause" | "resume" | "remove", "name"}  {"ok": one sentence}
{"do": "add_job", "name", "schedule", "timezone", "prompt", "deliver"}
                                              {"ok": one sentence}
{"do": "pairings"}                            {"ok": [person, ...]}
{"do": "decide_pairing", "verb": "allow" | "deny" | "block", "whom": CODE or person}
                                              {"ok": {"text", "done"}}
{"do": "make_owner_code"}                     {"ok": {"code", "until_at"}}
{"do": "owners"}                              {"ok": [{"person", "name", "made_by", "made_at"}, ..]}
{"do": "remove_owner", "person"}              {"ok": {"text", "done"}}
{"do": "audit_head"}                          {"ok": {"seq", "hash"}}
{"do": "audit_verify"}                        {"ok": {"whole", "rows", "seq", ...}}
{"do": "audit_export", "after": SEQ}          {"ok": {"lines", "after": SEQ or null}}
anything that fails                           {"error": one sentence}
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStatus:
    """`gatepost status`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskWhy:
    """`gatepost why ID`."""

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """`gatepost send CHAT TEXT`."""

    chat: str
    text: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFile:
    """`gatepost send CHAT --file FILE`, one for each file; `data` is its bytes in base64."""

    chat: str
    name: str
    mime: str
    data: str = field(repr=False)
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerJob:
    """`gatepost trigger JOB`; `key` and `data` are empty where none is given."""

    name: str
    key: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChat:
    """`gatepost chat`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examine:
    """`gatepost doctor`, about the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackUp:
    """`gatepost backup`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """The copy of this connection's BackUp is packed and on disk."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskApprovals:
    """`gatepost approvals`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCard:
    """`gatepost show CODE`."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """`gatepost approve`, `deny`, `answer`; see `gateway.shell_desk.Order`."""

    verb: Literal["approve", "deny", "answer"]
    code: str
    words: str = ""
    at_most: str = ""
    item: int = 0
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSpend:
    """`gatepost spend`."""

    stretch: Literal["day", "month"]
    by: Literal["", "chat", "requester", "what", "kind", "payer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeSpending:
    """`gatepost freeze`."""

    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfreezeSpending:
    """`gatepost unfreeze`."""

    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearEstimator:
    """`gatepost estimators clear`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskGrants:
    """`gatepost grants`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """`gatepost revoke ID`."""

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCredentials:
    """`gatepost credentials`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryCredential:
    """`gatepost credentials retry LABEL`."""

    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepLogin:
    """What `gatepost login` has brought; `expires_at` is microseconds since 1970, 0 if unknown.

    `account` is our own name for one of several logins, `owner` the service's for whose it is.
    """

    service: str
    account: str
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: int
    owner: str


AboutKeys = AskCredentials | RetryCredential | KeepLogin
"""What is asked about the keys of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPairings:
    """`gatepost pair list`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePairing:
    """`gatepost pair allow`, `deny`, `block`; `whom` is a code or a person by id."""

    verb: Literal["allow", "deny", "block"]
    whom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOwnerCode:
    """`gatepost pair owner`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOwners:
    """`gatepost pair owner --list`: by whom and when is empty and 0 for those of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOwner:
    """`gatepost pair owner --remove PERSON`."""

    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskJobs:
    """`gatepost cron list`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeJob:
    """`gatepost cron pause`, `resume`, `remove`."""

    verb: Literal["pause", "resume", "remove"]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddJob:
    """`gatepost cron add`; `name` and `timezone` are empty where none is given."""

    name: str
    schedule: str
    timezone: str
    prompt: str
    deliver: str


AboutJobs = AskJobs | ChangeJob | AddJob
"""What is asked and changed of jobs."""

AboutOwners = MakeOwnerCode | AskOwners | RemoveOwner
"""What is asked and changed of owners."""

AboutAccess = AskPairings | DecidePairing | AboutOwners
"""What is asked and said about who gets in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAuditHead:
    """`gatepost audit head`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAudit:
    """`gatepost audit verify`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAudit:
    """`gatepost audit export`: the rows behind one, a page of them."""

    after: int


LookAtDesk = (
    AskApprovals | ShowCard | AskSpend | AskGrants | AskAuditHead | VerifyAudit | ExportAudit
)
ActAtDesk = Decide | FreezeSpending | UnfreezeSpending | ClearEstimator | Revoke
AboutDesk = LookAtDesk | ActAtDesk
"""What is asked of the desk."""

Request = (
    AskStatus
    | AskWhy
    | SendText
    | SendFile
    | TriggerJob
    | OpenChat
    | Examine
    | BackUp
    | BackedUp
    | AboutDesk
    | AboutKeys
    | AboutAccess
    | AboutJobs
)

_WORDS: dict[str, type[Request]] = {
    "status": AskStatus,
    "why": AskWhy,
    "send": SendText,
    "send_file": SendFile,
    "trigger": TriggerJob,
    "chat": OpenChat,
    "examine": Examine,
    "backup": BackUp,
    "backed_up": BackedUp,
    "approvals": AskApprovals,
    "show": ShowCard,
    "decide": Decide,
    "spend": AskSpend,
    "freeze": FreezeSpending,
    "unfreeze": UnfreezeSpending,
    "clear_estimator": ClearEstimator,
    "grants": AskGrants,
    "revoke": Revoke,
    "credentials": AskCredentials,
    "retry_credential": RetryCredential,
    "keep_login": KeepLogin,
    "pairings": AskPairings,
    "decide_pairing": DecidePairing,
    "make_owner_code": MakeOwnerCode,
    "owners": AskOwners,
    "remove_owner": RemoveOwner,
    "jobs": AskJobs,
    "change_job": ChangeJob,
    "add_job": AddJob,
    "audit_head": AskAuditHead,
    "audit_verify": VerifyAudit,
    "audit_export": ExportAudit,
}
_WORD_OF = {kind: word for word, kind in _WORDS.items()}


def read_request(line: bytes) -> Request | None:
    """Read a request; None if it is none of ours."""
    try:
        given: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("do"), str):
        return None
    kind = _WORDS.get(given["do"])
    if kind is None:
        return None
    wanted = get_type_hints(kind)
    values: dict[str, Any] = {name: given.get(_key(name)) for name in wanted}
    if not all(_fits(values[name], of) for name, of in wanted.items()):
        return None
    return kind(**values)


def request_line(request: Request) -> bytes:
    """Write a request."""
    values = {_key(each.name): getattr(request, each.name) for each in fields(request)}
    line = {"do": _WORD_OF[type(request)], **values}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _key(name: str) -> str:
    return "id" if name == "ident" else name


def _fits(value: object, of: Any) -> bool:
    if get_origin(of) is Literal:
        return value in get_args(of)
    return type(value) is of
