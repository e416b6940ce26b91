"""The `hf_repo_files` tool: files of any repository the token may see."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
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
    holds_a_secret,
    one_source,
    refusal_of,
    resource_of,
    shown,
)
from agent.tools.operations import Operation, label_of, read_call

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NAME: Final = "hf_repo_files"
_FILE: Final = ("repo", "repo_type", "path", "revision")
OPERATIONS: Final[Mapping[str, Operation]] = {
    "list": Operation(effect=EffectClass.PURE, fields=_FILE, required=("repo",)),
    "read": Operation(effect=EffectClass.PURE, fields=_FILE, required=("repo", "path")),
    "upload": Operation(
        effect=EffectClass.KEYED,
        fields=(*_FILE, "content", "source_path", "content_sha256", "message"),
        required=("repo", "path"),
        default=Verdict.ASK,
        reason="it puts a file on the Hub",
    ),
    "delete": Operation(
        effect=EffectClass.ONCE,
        fields=(*_FILE, "message"),
        required=("repo", "path"),
        default=Verdict.ASK,
        reason="it deletes files on the Hub",
    ),
}
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": list(OPERATIONS)},
    **PROPERTIES,
}
_TAGS: Final = {
    "upload": frozenset({RiskTag.OUTWARD}),
    "delete": frozenset({RiskTag.DESTRUCTIVE}),
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Files of repositories on Hugging Face: `list` and `read` them, `upload` a text or a "
        "workspace file, `delete` a file (or a folder, its path ending in `/`)."
    ),
    parameters={
        "type": "object",
        "properties": shown(_PROPERTIES),
        "required": ["operation", "repo"],
        "additionalProperties": False,
    },
)


class HfRepoFilesTool:
    """A Tool and InspectingTool over files on the Hub."""

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
        read = read_call(arguments, operations=OPERATIONS, properties=_PROPERTIES, aliases=ALIASES)
        if isinstance(read, Malformed):
            return read
        name, operation, fields = read
        if name == "upload" and (refused := one_source(fields)) is not None:
            return refused
        found = self._work.source(fields)
        if isinstance(found, Malformed):
            return found
        about = f"{found['repo']} {found.get('path', '')}".strip()
        return PreparedCall(
            tool=NAME,
            operation=name,
            arguments={"operation": name, **found},
            effect=operation.effect,
            label=label_of(NAME, name, about),
            resource=resource_of(found),
            default=operation.default,
            reason=operation.reason,
            tags=_TAGS.get(name, frozenset()),
            summary=f"{name} {about}",
            taints="Hub file" if name == "read" else "",
            editable=("content",) if "content" in found else (),
            deadline_s=120.0,
        )

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Look who will see an upload, and take its bytes; see InspectingTool."""
        if call.operation != "upload":
            return call
        snapshot = await self._work.snapshot(call.arguments)
        if isinstance(snapshot, Malformed):
            return snapshot
        if snapshot is not None:
            digest = hashlib.sha256(snapshot.data).hexdigest()
            fields = {**call.arguments, "content_sha256": digest}
            call = replace(call, arguments=fields, snapshots=(snapshot,))
        try:
            standing = await self._work.standing(call.arguments)
        except HubRefused as refused:
            return refusal_of(refused)
        except ToolError:
            return None
        where = "a private repository" if standing.private else "a public repository"
        tags = call.tags - {RiskTag.OUTWARD} if standing.inside else call.tags
        return replace(call, tags=tags, summary=f"{call.summary}, {where}")

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call; see Tool."""
        try:
            return await self._perform(call, context)
        except HubUnclear as doubt:
            return in_doubt(call, doubt)

    async def _perform(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        fields = call.arguments
        match call.operation:
            case "list":
                return await self._work.files(fields)
            case "read":
                return await self._work.read(fields)
            case "upload":
                return await self._work.upload(fields, context)
            case "delete":
                return await self._delete(fields)
        raise ToolError(f"There is no operation {call.operation!r}.")

    async def _delete(self, fields: JsonObject) -> ToolOutput:
        repo, path = str(fields["repo"]), str(fields["path"])
        message = str(fields.get("message") or f"Delete {path}")

        def delete(api: "HfApi") -> str:
            made = api.delete_file(
                path,
                repo,
                repo_type=str(fields["repo_type"]),
                revision=fields.get("revision"),
                commit_message=message,
            )
            return str(made.oid)

        commit = await self._hub.ask(delete)
        return ToolOutput(text=f"{repo}: {path} is deleted in commit {commit[:12]}.")
