"""Repositories of the Hub, as the tools over them share them: fields, content, files, visibility.

What is uploaded is the text of the call, or the bytes of a workspace file as they were when the
call was looked at. Uploading the same bytes again makes no commit, so it may be repeated.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import NotStarted, ToolError
from agent.hub import READ_S, Hub, HubRefused
from agent.messages import JsonObject
from agent.tools.base import CallContext, Malformed, Snapshot, ToolOutput
from agent.tools.hf_access import HubAccess
from agent.tools.literal_secrets import literal_secret
from agent.tools.operations import both_ends
from agent.tools.workspace import PathRefused, Workspace, segments_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi

READ_BYTES: Final = 1024 * 1024
LISTED: Final = 200
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
REPO_PATTERN: Final = f"{NAME_PATTERN}/{NAME_PATTERN}"
_REF_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
_PATH_PATTERN: Final = r"(?!/)(?!.*(?:^|/)\.\.?(?:/|$))[^\x00-\x1f\x7f\\]+"

PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "repo": {
        "type": "string",
        "pattern": REPO_PATTERN,
        "shape": "owner/name",
        "description": "Repository as owner/name.",
    },
    "repo_type": {"type": "string", "enum": ["model", "dataset", "space"], "default": "model"},
    "revision": {
        "type": "string",
        "pattern": _REF_PATTERN,
        "description": "Branch, tag or commit; main if left out.",
    },
    "path": {
        "type": "string",
        "maxLength": 1_000,
        "pattern": _PATH_PATTERN,
        "shape": "a path inside the repository",
        "description": "Path inside the repository.",
    },
    "content": {"type": "string", "maxLength": 32_768, "description": "upload: the whole text."},
    "source_path": {
        "type": "string",
        "maxLength": 1_000,
        "description": "upload: a file in the workspace, instead of `content`.",
    },
    "content_sha256": {"type": "string", "pattern": "[0-9a-f]{64}"},
    "message": {"type": "string", "maxLength": 500, "description": "Commit message."},
}
ALIASES: Final = {"repo_id": "repo", "path_in_repo": "path", "branch_name": "branch"}


def shown(properties: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The fields a model is shown."""
    return {name: rules for name, rules in properties.items() if name != "content_sha256"}


def resource_of(fields: JsonObject) -> str:
    """Calls on one repository keep their order."""
    return f"hf:{fields.get('repo_type', 'model')}:{fields.get('repo', '')}"


def owner_of(fields: JsonObject) -> str:
    """The account a repository belongs to."""
    return str(fields["repo"]).partition("/")[0]


def holds_a_secret(arguments: JsonObject, access: HubAccess) -> Malformed | None:
    """The refusal of arguments with a secret in them."""
    place = literal_secret(dict(arguments), holds=access.holds)
    return None if place is None else Malformed(text=f"There is a secret in {place}. Leave it out.")


def one_source(fields: JsonObject) -> Malformed | None:
    """The refusal of an upload that does not say what, or says it twice."""
    if ("content" in fields) == ("source_path" in fields):
        return Malformed(text="Give either `content` or `source_path`.")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A repository as the Hub has it; `ours`: one of the accounts that pay here owns it."""

    private: bool
    ours: bool

    @property
    def inside(self) -> bool:
        """Whether what is put there stays with us."""
        return self.private and self.ours


class RepoWork:
    """What is done with repositories of one Hub."""

    def __init__(self, access: HubAccess, *, workspace: Path) -> None:
        self._access = access
        self._hub: Hub = access.hub
        self._workspace = Workspace(workspace)

    def source(self, fields: JsonObject) -> JsonObject | Malformed:
        """Pure: the fields with the path of the workspace in its normal form."""
        if "source_path" not in fields:
            return fields
        try:
            segments = segments_of(str(fields["source_path"]), self._workspace.root)
        except PathRefused as refused:
            return Malformed(text=f"The field 'source_path' is refused: {refused}.")
        return {**fields, "source_path": "/".join(segments)}

    async def snapshot(self, fields: JsonObject) -> Snapshot | Malformed | None:
        """The bytes of the workspace file a call names; None where it brings its own text."""
        path = fields.get("source_path")
        if path is None:
            return None
        segments = segments_of(str(path), self._workspace.root)
        try:
            data = await asyncio.to_thread(self._workspace.content, segments)
        except ToolError as missing:
            return Malformed(text=str(missing))
        found = {str(path): data.decode(errors="replace")}
        return holds_a_secret(found, self._access) or Snapshot(name=str(path), data=data)

    async def standing(self, fields: JsonObject, *, limit_s: float = READ_S) -> Standing:
        """Who sees a repository and whose it is; raises ToolError."""
        repo, kind = str(fields["repo"]), str(fields["repo_type"])

        def look(api: "HfApi") -> bool:
            return bool(api.repo_info(repo, repo_type=kind).private)

        private = await self._hub.ask(look, limit_s=limit_s)
        return Standing(private=private, ours=self._access.ours(owner_of(fields)))

    async def create(self, fields: JsonObject, *, private: bool, exist_ok: bool) -> str:
        """Make a repository; returns its address."""
        repo, kind = str(fields["repo"]), str(fields["repo_type"])
        sdk = "static" if kind == "space" else None

        def create(api: "HfApi") -> str:
            made = api.create_repo(
                repo, repo_type=kind, private=private, exist_ok=exist_ok, space_sdk=sdk
            )
            return str(made)

        return await self._hub.ask(create)

    async def upload(self, fields: JsonObject, context: CallContext) -> ToolOutput:
        """Put the bytes that were shown at their place; the same bytes again change nothing."""
        data = content_of(fields, context)
        repo, kind, path = str(fields["repo"]), str(fields["repo_type"]), str(fields["path"])
        message = str(fields.get("message") or f"Upload {path}")
        revision = fields.get("revision")

        def upload(api: "HfApi") -> str:
            made = api.upload_file(
                path_or_fileobj=data,
                path_in_repo=path,
                repo_id=repo,
                repo_type=kind,
                revision=None if revision is None else str(revision),
                commit_message=message,
            )
            return str(made.oid)

        commit = await self._hub.ask(upload, limit_s=100.0)
        return ToolOutput(
            text=f"{repo}: {path} ({len(data)} bytes) stands in commit {commit[:12]}."
        )

    async def files(self, fields: JsonObject) -> ToolOutput:
        """The files of a repository, or of a folder in it."""
        repo, kind = str(fields["repo"]), str(fields["repo_type"])
        path, revision = fields.get("path"), fields.get("revision")

        def listing(api: "HfApi") -> list[tuple[str, int | None]]:
            entries = api.list_repo_tree(
                repo, path_in_repo=path, recursive=True, revision=revision, repo_type=kind
            )
            return [
                (entry.path, getattr(entry, "size", None)) for entry in islice(entries, LISTED + 1)
            ]

        found = await self._hub.ask(listing)
        lines = [f"{name} ({size} bytes)" for name, size in found[:LISTED] if size is not None]
        lines += ["[there are more; look into a folder]"] if len(found) > LISTED else []
        return ToolOutput(text="\n".join(lines) or "(no files)")

    async def read(self, fields: JsonObject) -> ToolOutput:
        """The text of a file, or both ends of a long one."""
        from agent import hub_client

        repo, kind, path = str(fields["repo"]), str(fields["repo_type"]), str(fields["path"])
        revision = fields.get("revision")

        def start(api: "HfApi") -> tuple[bytes, bool]:
            return hub_client.file_start(
                api, kind=kind, repo=repo, path=path, revision=revision, most=READ_BYTES
            )

        data, whole = await self._hub.ask(start)
        if b"\0" in data[:8_192]:
            raise ToolError(f"{path} is not a text file.")
        text = both_ends(data.decode(errors="replace")) or "(empty file)"
        return ToolOutput(text=text if whole else f"{text}\n[only its first MiB was read]")


def content_of(fields: JsonObject, context: CallContext) -> bytes:
    """The bytes that were shown; raises NotStarted where they are not at hand."""
    if "content" in fields:
        return str(fields["content"]).encode()
    path = str(fields.get("source_path", ""))
    data = context.snapshots.get(path)
    if data is None or hashlib.sha256(data).hexdigest() != fields.get("content_sha256"):
        raise NotStarted("It was not begun: the file that was looked at is not at hand any more.")
    return data


def refusal_of(refused: HubRefused) -> Malformed | None:
    """What the Hub says of something that is not there; None for any other refusal."""
    return Malformed(text=str(refused)) if refused.missing else None
