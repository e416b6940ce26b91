"""The `hf_repo_git` tool: branches, tags, pull requests and settings of repositories on the Hub."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import ToolError
from agent.hub import HubRefused, HubUnclear
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.hf_access import HubAccess, in_doubt
from agent.tools.hf_repos import (
    ALIASES,
    PROPERTIES,
    RepoWork,
    Standing,
    holds_a_secret,
    owner_of,
    refusal_of,
    resource_of,
)
from agent.tools.operations import Operation, both_ends, label_of, read_call

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NAME: Final = "hf_repo_git"
LISTED: Final = 50
_REPO: Final = ("repo", "repo_type")


def _list(*fields: str, required: tuple[str, ...] = ()) -> Operation:
    return Operation(
        effect=EffectClass.PURE, fields=(*_REPO, *fields), required=("repo", *required)
    )


def _asked(
    effect: EffectClass, reason: str, *fields: str, required: tuple[str, ...] = ()
) -> Operation:
    return Operation(
        effect=effect,
        fields=(*_REPO, *fields),
        required=("repo", *required),
        default=Verdict.ASK,
        reason=reason,
    )


_KEYED, _ONCE = EffectClass.KEYED, EffectClass.ONCE
_NOT_OURS: Final = "it is not a private repository of ours"
_SEEN: Final = "others see it"
_LOST: Final = "it can't be undone here"
OPERATIONS: Final[Mapping[str, Operation]] = {
    "list refs": _list(),
    "list commits": _list("revision"),
    "list prs": _list(),
    "get pr": _list("num", required=("num",)),
    "create branch": _asked(_KEYED, _NOT_OURS, "branch", "revision", required=("branch",)),
    "create tag": _asked(_KEYED, _NOT_OURS, "tag", "revision", "text", required=("tag",)),
    "create pr": _asked(_ONCE, _SEEN, "title", "text", required=("title",)),
    "comment pr": _asked(_ONCE, _SEEN, "num", "text", required=("num", "text")),
    "close pr": _asked(_ONCE, _SEEN, "num", "text", required=("num",)),
    "create repo": _asked(_ONCE, _SEEN, "visibility"),
    "update repo": _asked(_ONCE, _SEEN, "visibility", required=("visibility",)),
    "merge pr": _asked(_ONCE, _LOST, "num", "text", required=("num",)),
    "delete branch": _asked(_ONCE, _LOST, "branch", required=("branch",)),
    "delete tag": _asked(_ONCE, _LOST, "tag", required=("tag",)),
}
_TAGS: Final[Mapping[str, frozenset[RiskTag]]] = {
    **{name: frozenset({RiskTag.OUTWARD}) for name in ("create pr", "comment pr", "close pr")},
    **{name: frozenset({RiskTag.OUTWARD}) for name in ("create repo", "update repo")},
    **{name: frozenset({RiskTag.DESTRUCTIVE}) for name in ("delete branch", "delete tag")},
    "merge pr": frozenset({RiskTag.DESTRUCTIVE}),
}
_READS_WORDS: Final = frozenset({"list commits", "list prs", "get pr"})
_REF: Final = {"type": "string", "pattern": r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"}
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": [name.replace(" ", "_") for name in OPERATIONS]},
    **{name: PROPERTIES[name] for name in ("repo", "repo_type", "revision")},
    "branch": _REF,
    "tag": _REF,
    "num": {"type": "integer", "minimum": 1, "description": "Number of the pull request."},
    "title": {"type": "string", "maxLength": 200},
    "text": {
        "type": "string",
        "maxLength": 16_384,
        "description": "Description, comment, or message of a tag.",
    },
    "visibility": {"type": "string", "enum": ["private", "public"], "default": "private"},
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Git and pull requests of repositories on Hugging Face: list_refs, list_commits, list_prs, "
        "get_pr; create_branch, create_tag, delete_branch, delete_tag; create_pr, comment_pr, "
        "close_pr, merge_pr; create_repo, update_repo (its visibility)."
    ),
    parameters={
        "type": "object",
        "properties": dict(_PROPERTIES),
        "required": ["operation", "repo"],
        "additionalProperties": False,
    },
)
_ALIASES: Final = {**ALIASES, "pr_num": "num", "comment": "text", "description": "text"}


class HfRepoGitTool:
    """A Tool and InspectingTool over what the Hub keeps beside files."""

    def __init__(self, *, access: HubAccess, workspace: Path) -> None:
        self._access = access
        self._hub = access.hub
        self._work = RepoWork(access, workspace=workspace)

    @property
    def place(self) -> str:
        """Where its calls go; see PlacedTool."""
        return self._hub.url

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        if (refused := holds_a_secret(arguments, self._access)) is not None:
            return refused
        read = read_call(arguments, operations=OPERATIONS, properties=_PROPERTIES, aliases=_ALIASES)
        if isinstance(read, Malformed):
            return read
        name, operation, fields = read
        which = fields.get("branch") or fields.get("tag") or fields.get("num") or ""
        about = f"{fields['repo']} {which}".strip()
        if name in ("create repo", "update repo"):
            about = f"{about} ({fields['visibility']})"
        return PreparedCall(
            tool=NAME,
            operation=name,
            arguments={"operation": name, **fields},
            effect=operation.effect,
            label=label_of(NAME, name, about),
            resource=resource_of(fields),
            default=operation.default,
            reason=operation.reason,
            tags=_TAGS.get(name, frozenset()),
            summary=f"{name} {about}",
            taints="pull requests" if name in _READS_WORDS else "",
            editable=tuple(field for field in ("title", "text") if field in fields),
            deadline_s=60.0,
        )

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Look whose repository it is and who sees it; see InspectingTool."""
        if call.effect is EffectClass.PURE:
            return call
        if call.operation == "create repo":
            private = call.arguments["visibility"] == "private"
            ours = self._access.ours(owner_of(call.arguments))
            return _seen_by(call, Standing(private=private, ours=ours))
        try:
            return _seen_by(call, await self._work.standing(call.arguments))
        except HubRefused as refused:
            return refusal_of(refused)
        except ToolError:
            return None

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call; see Tool."""
        try:
            return await self._perform(call, context)
        except HubUnclear as doubt:
            return in_doubt(call, doubt)

    async def _perform(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        fields = call.arguments
        if call.operation == "create repo":
            private = fields["visibility"] == "private"
            address = await self._work.create(fields, private=private, exist_ok=False)
            return ToolOutput(text=f"{address} is there, {fields['visibility']}.")
        work = _WORK.get(call.operation)
        if work is None:
            raise ToolError(f"There is no operation {call.operation!r}.")
        try:
            text = await self._hub.ask(lambda api: work(api, fields))
        except HubRefused as refused:
            if call.effect is not EffectClass.KEYED or refused.status != 409:
                raise
            text = await self._hub.ask(lambda api: _as_it_stands(api, fields))
        return ToolOutput(text=both_ends(text))


def _seen_by(call: PreparedCall, standing: Standing) -> PreparedCall:
    where = "a private repository" if standing.private else "a public repository"
    owner = "of ours" if standing.ours else "of others"
    call = replace(call, summary=f"{call.summary}, {where} {owner}")
    if not standing.inside:
        return call
    if call.effect is EffectClass.KEYED:
        return replace(call, default=Verdict.ALLOW, reason="a private repository of ours")
    if call.operation == "update repo" and call.arguments["visibility"] == "public":
        return call
    return replace(call, tags=call.tags - {RiskTag.OUTWARD})


def _at(fields: JsonObject) -> dict[str, Any]:
    return {"repo_id": str(fields["repo"]), "repo_type": str(fields["repo_type"])}


def _pr(fields: JsonObject) -> dict[str, Any]:
    return {**_at(fields), "discussion_num": int(fields["num"])}


def _as_it_stands(api: "HfApi", fields: JsonObject) -> str:
    """What a branch or tag that was there already points to."""
    refs = api.list_repo_refs(**_at(fields))
    name = fields.get("branch", fields.get("tag"))
    found = next((ref for ref in (*refs.branches, *refs.tags) if ref.name == name), None)
    if found is None:
        raise ToolError(f"The Hub says that {name} is there already, and does not list it.")
    return f"{name} was there already, at {found.target_commit[:12]}."


def _list_refs(api: "HfApi", fields: JsonObject) -> str:
    refs = api.list_repo_refs(**_at(fields))
    lines = [f"branch {ref.name} {ref.target_commit[:12]}" for ref in refs.branches]
    lines += [f"tag {ref.name} {ref.target_commit[:12]}" for ref in refs.tags]
    return "\n".join(lines)


def _list_commits(api: "HfApi", fields: JsonObject) -> str:
    commits = api.list_repo_commits(**_at(fields), revision=fields.get("revision"))
    return "\n".join(
        f"{commit.commit_id[:12]} {commit.created_at:%Y-%m-%d %H:%M} {commit.title[:200]}"
        for commit in commits[:LISTED]
    )


def _list_prs(api: "HfApi", fields: JsonObject) -> str:
    found = api.get_repo_discussions(**_at(fields), discussion_type="pull_request")
    lines = [
        f"#{one.num} {one.status} by {one.author}: {one.title[:200]}"
        for one in islice(found, LISTED)
    ]
    return "\n".join(lines) or "(no pull requests)"


def _get_pr(api: "HfApi", fields: JsonObject) -> str:
    found = api.get_discussion_details(**_pr(fields))
    lines = [f"#{found.num} {found.status} by {found.author}: {found.title[:200]}"]
    for event in found.events[:LISTED]:
        words = getattr(event, "content", None) or getattr(event, "new_status", None) or ""
        lines.append(f"{event.author}, {event.type}: {words[:2_000]}")
    if found.diff:
        lines.append(found.diff)
    return "\n".join(lines)


def _create_branch(api: "HfApi", fields: JsonObject) -> str:
    api.create_branch(**_at(fields), branch=str(fields["branch"]), revision=fields.get("revision"))
    return f"Branch {fields['branch']} is made."


def _create_tag(api: "HfApi", fields: JsonObject) -> str:
    words = fields.get("text")
    tag, revision = str(fields["tag"]), fields.get("revision")
    api.create_tag(**_at(fields), tag=tag, tag_message=words, revision=revision)
    return f"Tag {tag} is made."


def _delete_branch(api: "HfApi", fields: JsonObject) -> str:
    api.delete_branch(**_at(fields), branch=str(fields["branch"]))
    return f"Branch {fields['branch']} is deleted."


def _delete_tag(api: "HfApi", fields: JsonObject) -> str:
    api.delete_tag(**_at(fields), tag=str(fields["tag"]))
    return f"Tag {fields['tag']} is deleted."


def _create_pr(api: "HfApi", fields: JsonObject) -> str:
    title, words = str(fields["title"]), fields.get("text")
    made = api.create_pull_request(**_at(fields), title=title, description=words)
    return f"Pull request #{made.num} is open as a draft; push to refs/pr/{made.num}."


def _comment_pr(api: "HfApi", fields: JsonObject) -> str:
    api.comment_discussion(**_pr(fields), comment=str(fields["text"]))
    return f"The comment stands under #{fields['num']}."


def _close_pr(api: "HfApi", fields: JsonObject) -> str:
    api.change_discussion_status(**_pr(fields), new_status="closed", comment=fields.get("text"))
    return f"#{fields['num']} is closed."


def _merge_pr(api: "HfApi", fields: JsonObject) -> str:
    api.merge_pull_request(**_pr(fields), comment=fields.get("text"))
    return f"#{fields['num']} is merged."


def _update_repo(api: "HfApi", fields: JsonObject) -> str:
    private = fields["visibility"] == "private"
    api.update_repo_settings(**_at(fields), private=private)
    return f"{fields['repo']} is {fields['visibility']} now."


_WORK: Final[Mapping[str, Callable[["HfApi", JsonObject], str]]] = {
    "list refs": _list_refs,
    "list commits": _list_commits,
    "list prs": _list_prs,
    "get pr": _get_pr,
    "create branch": _create_branch,
    "create tag": _create_tag,
    "create pr": _create_pr,
    "comment pr": _comment_pr,
    "close pr": _close_pr,
    "update repo": _update_repo,
    "merge pr": _merge_pr,
    "delete branch": _delete_branch,
    "delete tag": _delete_tag,
}
