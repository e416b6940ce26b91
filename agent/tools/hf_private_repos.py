"""The `hf_private_repos` tool: private repositories of the account that pays, and nothing else."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from agent.errors import NotStarted, ToolError
from agent.hub import HubRefused
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    ToolOutput,
    Verdict,
)
from agent.tools.hf_access import HubAccess
from agent.tools.hf_repos import (
    ALIASES,
    NAME_PATTERN,
    PROPERTIES,
    RepoWork,
    holds_a_secret,
    one_source,
    owner_of,
    refusal_of,
    resource_of,
    shown,
)
from agent.tools.operations import Operation, label_of, read_call

NAME: Final = "hf_private_repos"
_FILE: Final = ("repo", "repo_type", "path", "revision")
_READ: Final = Operation(effect=EffectClass.PURE, fields=_FILE, required=("repo", "path"))
OPERATIONS: Final[Mapping[str, Operation]] = {
    "create repo": Operation(
        effect=EffectClass.KEYED,
        fields=("repo", "repo_type"),
        required=("repo",),
        default=Verdict.ASK,
        reason="it makes a repository",
    ),
    "upload file": Operation(
        effect=EffectClass.KEYED,
        fields=(*_FILE, "content", "source_path", "content_sha256", "message"),
        required=("repo", "path"),
        default=Verdict.ASK,
        reason="it puts a file on the Hub",
    ),
    "list": Operation(effect=EffectClass.PURE, fields=_FILE, required=("repo",)),
    "read": _READ,
}
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": [name.replace(" ", "_") for name in OPERATIONS]},
    **PROPERTIES,
    "repo": {
        "type": "string",
        "pattern": f"(?:{NAME_PATTERN}/)?{NAME_PATTERN}",
        "shape": "name or owner/name",
        "description": "Repository; without an owner, of the account that pays.",
    },
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Private repositories on Hugging Face: `create_repo` makes one, `upload_file` puts a file "
        "into one, `list` and `read` show files. Never touches public repositories."
    ),
    parameters={
        "type": "object",
        "properties": shown(_PROPERTIES),
        "required": ["operation", "repo"],
        "additionalProperties": False,
    },
)


class HfPrivateReposTool:
    """A Tool and InspectingTool over the private repositories of the accounts that pay."""

    def __init__(
        self, *, access: HubAccess, workspace: Path, auto_file_upload: bool = False
    ) -> None:
        self._access = access
        self._work = RepoWork(access, workspace=workspace)
        self._auto = auto_file_upload

    @property
    def place(self) -> str:
        """Where its calls go; see PlacedTool."""
        return self._access.hub.url

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
        if name == "upload file" and (refused := one_source(fields)) is not None:
            return refused
        home = self._at_home(fields)
        if isinstance(home, Malformed):
            return home
        found = self._work.source(home)
        if isinstance(found, Malformed):
            return found
        auto = name == "upload file" and self._auto
        return PreparedCall(
            tool=NAME,
            operation=name,
            arguments={"operation": name, **found},
            effect=operation.effect,
            label=label_of(NAME, name, str(found["repo"])),
            resource=resource_of(found),
            default=Verdict.ALLOW if auto else operation.default,
            reason="uploads to private repositories need no question" if auto else operation.reason,
            summary=f"{name} {found['repo']} {found.get('path', '')}".strip(),
            editable=("content",) if "content" in found else (),
            deadline_s=120.0,
        )

    def _at_home(self, fields: JsonObject) -> JsonObject | Malformed:
        """The fields with the whole name of a repository that an account of ours owns."""
        repo = str(fields["repo"])
        if "/" not in repo:
            if not self._access.payer:
                return Malformed(text="Write the repository as owner/name; nobody pays here.")
            return {**fields, "repo": f"{self._access.payer}/{repo}"}
        if not self._access.ours(owner_of(fields)):
            known = ", ".join(self._access.accounts) or "none"
            return Malformed(text=f"Only repositories of these accounts: {known}.")
        return fields

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Look whether the account and the repository are what they must be."""
        try:
            if call.operation == "create repo":
                return await self._access.may_pay(owner_of(call.arguments)) or call
            if call.operation != "upload file":
                return call
            if not (await self._work.standing(call.arguments)).private:
                return Malformed(text=_PUBLIC.format(call.arguments["repo"]))
        except HubRefused as refused:
            return refusal_of(refused)
        except ToolError:
            return None
        snapshot = await self._work.snapshot(call.arguments)
        if snapshot is None or isinstance(snapshot, Malformed):
            return snapshot or call
        digest = hashlib.sha256(snapshot.data).hexdigest()
        return replace(
            call,
            arguments={**call.arguments, "content_sha256": digest},
            snapshots=(snapshot,),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call; see Tool."""
        fields = call.arguments
        match call.operation:
            case "create repo":
                address = await self._work.create(fields, private=True, exist_ok=True)
                await self._require_private(fields, ToolError)
                return ToolOutput(text=f"The private repository {address} is there.")
            case "upload file":
                await self._require_private(fields, NotStarted)
                return await self._work.upload(fields, context)
            case "list":
                await self._require_private(fields, NotStarted)
                return await self._work.files(fields)
            case "read":
                await self._require_private(fields, NotStarted)
                return await self._work.read(fields)
        raise ToolError(f"There is no operation {call.operation!r}.")

    async def _require_private(self, fields: JsonObject, error: type[ToolError]) -> None:
        if not (await self._work.standing(fields, limit_s=30.0)).private:
            raise error(_PUBLIC.format(fields["repo"]))


_PUBLIC: Final = "{} is not private; this tool leaves it alone."
