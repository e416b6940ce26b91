"""Repositories over HTTP: creation, settings, files, refs, discussions and pull requests.

Source: https://huggingface.co/docs/hub/api and the client's own request code. Files are kept
whole in the repository; large-file storage is not played.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.wire.hub.jobs import body_of
from tests.wire.hub.world import (
    Account,
    Discussion,
    Refusal,
    Repo,
    comment,
    stamp,
)

if TYPE_CHECKING:
    from tests.wire.hub.server import HubServer

KINDS = ("model", "dataset", "space")
REPO = r"/api/{kind:models|datasets|spaces}/{ns}/{name}"
DISCUSSION = REPO + r"/discussions/{num:\d+}"


class Repos:
    """The routes of repositories."""

    def __init__(self, server: "HubServer") -> None:
        self._server = server
        self._world = server.world

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """All of them."""
        wrap = self._server.answering
        return [
            web.post("/api/repos/create", wrap("repos.create", self._create)),
            web.post("/api/validate-yaml", wrap("repos.yaml", self._yaml)),
            web.get(REPO, wrap("repos.info", self._info)),
            web.get(REPO + "/revision/{rev}", wrap("repos.info", self._info)),
            web.put(REPO + "/settings", wrap("repos.settings", self._settings)),
            web.get(REPO + "/tree/{rev}", wrap("repos.tree", self._tree)),
            web.get(REPO + "/tree/{rev}/{path:.+}", wrap("repos.tree", self._tree)),
            web.post(REPO + "/preupload/{rev}", wrap("repos.preupload", self._preupload)),
            web.post(REPO + "/commit/{rev}", wrap("repos.commit", self._commit)),
            web.get(REPO + "/refs", wrap("repos.refs", self._refs)),
            web.get(REPO + "/commits/{rev}", wrap("repos.commits", self._commits)),
            web.post(REPO + "/branch/{branch}", wrap("repos.branch", self._branch)),
            web.delete(REPO + "/branch/{branch}", wrap("repos.branch.delete", self._unbranch)),
            web.post(REPO + "/tag/{rev}", wrap("repos.tag", self._tag)),
            web.delete(REPO + "/tag/{rev}", wrap("repos.tag.delete", self._untag)),
            web.get(REPO + "/discussions", wrap("pr.list", self._discussions)),
            web.post(REPO + "/discussions", wrap("pr.create", self._discuss)),
            web.get(DISCUSSION, wrap("pr.details", self._details)),
            web.post(DISCUSSION + "/comment", wrap("pr.comment", self._comment)),
            web.post(DISCUSSION + "/status", wrap("pr.status", self._status)),
            web.post(DISCUSSION + "/merge", wrap("pr.merge", self._merge)),
            web.get(
                "/{kind:datasets|spaces}/{ns}/{name}/resolve/{rev}/{path:.+}",
                wrap("repos.resolve", self._resolve),
            ),
            web.get("/{ns}/{name}/resolve/{rev}/{path:.+}", wrap("repos.resolve", self._resolve)),
        ]

    async def _create(self, request: web.Request, account: Account | None) -> web.Response:
        body = await body_of(request)
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        kind = str(body.get("type") or "model")
        namespace = str(body.get("organization") or account.name)
        if not account.may_write(namespace):
            raise Refusal(403, f"You don't have the rights to create a {kind} under {namespace}")
        repo_id = f"{namespace}/{body['name']}"
        url = f"{self._server.url}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
        if (kind, repo_id) in self._world.repos:
            error = f"You already created this {kind} repo"
            return web.json_response({"error": error, "url": url}, status=409)
        self._world.repo(kind, repo_id, private=body.get("visibility") == "private")
        return web.json_response({"url": url, "name": repo_id})

    async def _yaml(self, request: web.Request, account: Account | None) -> web.Response:
        return web.json_response({"errors": [], "warnings": []})

    async def _info(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        commit = repo.at(request.match_info.get("rev", "main"))
        return web.json_response(
            {
                "_id": "0",
                "id": repo.id,
                "modelId": repo.id,
                "author": repo.namespace,
                "sha": commit.id,
                "lastModified": stamp(commit.at),
                "createdAt": stamp(commit.at),
                "private": repo.private,
                "gated": repo.gated,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            }
        )

    async def _settings(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        body = await body_of(request)
        repo.visibility = body.get("visibility", repo.visibility)
        repo.gated = body.get("gated", repo.gated)
        return web.json_response({"private": repo.private})

    async def _tree(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        commit = repo.at(request.match_info["rev"])
        below = request.match_info.get("path", "").strip("/")
        prefix = f"{below}/" if below else ""
        recursive = request.query.get("recursive", "").lower() == "true"
        entries: dict[str, dict[str, Any]] = {}
        for path, content in sorted(commit.files.items()):
            if not path.startswith(prefix):
                continue
            first, _, rest = path[len(prefix) :].partition("/")
            if rest and not recursive:
                entries[prefix + first] = _folder(prefix + first)
            else:
                entries[path] = _file(path, content)
        if below and not entries:
            raise Refusal(404, f"{below} does not exist", "EntryNotFound")
        return web.json_response(list(entries.values()))

    async def _preupload(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        commit = repo.at(request.match_info["rev"])
        body = await body_of(request)
        files = [
            {
                "path": file["path"],
                "uploadMode": "regular",
                "shouldIgnore": False,
                "oid": blob_id(commit.files[file["path"]])
                if file["path"] in commit.files
                else None,
            }
            for file in body["files"]
        ]
        return web.json_response({"files": files})

    async def _commit(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        branch = request.match_info["rev"]
        lines = [json.loads(line) for line in (await request.text()).splitlines() if line]
        header = lines[0]["value"]
        if branch not in repo.branches:
            raise Refusal(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        files = self._changed(dict(repo.at(branch).files), lines[1:])
        made = self._world.commit(repo, branch, header["summary"], header["description"], files)
        url = f"{self._server.url}/{repo.id}/commit/{made.id}"
        return web.json_response({"success": True, "commitOid": made.id, "commitUrl": url})

    def _changed(
        self, files: dict[str, bytes], operations: Sequence[Mapping[str, Any]]
    ) -> dict[str, bytes]:
        for operation in operations:
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "deletedFile":
                    if files.pop(value["path"], None) is None:
                        text = f"A file with this name doesn't exist: {value['path']}"
                        raise Refusal(404, text, "EntryNotFound")
                case "deletedFolder":
                    gone = [path for path in files if path.startswith(value["path"])]
                    if not gone:
                        raise Refusal(404, "A folder with this name doesn't exist", "EntryNotFound")
                    for path in gone:
                        del files[path]
                case unknown:
                    raise Refusal(400, f"unknown operation {unknown}")
        return files

    async def _refs(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commits[-1].id}
            for name, commits in repo.branches.items()
        ]
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": target}
            for name, target in repo.tags.items()
        ]
        return web.json_response(
            {"branches": branches, "converts": [], "tags": tags, "pullRequests": []}
        )

    async def _commits(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        head = repo.at(request.match_info["rev"])
        branch = next((b for b in repo.branches.values() if b[-1] is head), [head])
        shown = [
            {
                "id": commit.id,
                "title": commit.title,
                "message": commit.message,
                "date": stamp(commit.at),
                "authors": [{"user": repo.namespace}],
            }
            for commit in reversed(branch)
        ]
        return web.json_response(shown)

    async def _branch(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        name = request.match_info["branch"]
        if name in repo.branches:
            raise Refusal(409, f"Reference already exists: refs/heads/{name}")
        body = await body_of(request)
        start = repo.at(body.get("startingPoint", "main"))
        repo.branches[name] = [start]
        return web.json_response({})

    async def _unbranch(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        name = request.match_info["branch"]
        if name == "main":
            raise Refusal(400, "The main branch can't be deleted")
        if repo.branches.pop(name, None) is None:
            raise Refusal(404, f"Branch {name} not found", "RevisionNotFound")
        return web.json_response({})

    async def _tag(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        body = await body_of(request)
        if body["tag"] in repo.tags:
            raise Refusal(409, f"Tag reference exists already: {body['tag']}")
        repo.tags[body["tag"]] = repo.at(request.match_info["rev"]).id
        return web.json_response({})

    async def _untag(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        if repo.tags.pop(request.match_info["rev"], None) is None:
            raise Refusal(404, "Tag not found", "RevisionNotFound")
        return web.json_response({})

    async def _discussions(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        wanted = request.query.get("type")
        found = [
            self._brief(repo, discussion)
            for discussion in repo.discussions
            if wanted != "pull_request" or discussion.is_pr
        ]
        first = int(request.query.get("p", "0")) * 10
        page = found[first : first + 10]
        return web.json_response({"count": len(found), "start": first, "discussions": page})

    async def _discuss(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        person = self._person(account)
        body = await body_of(request)
        if len(str(body.get("title", ""))) < 3:
            raise Refusal(400, "The title is too short")
        made = self._world.discuss(
            repo, body["title"], body["description"], person.name, is_pr=bool(body["pullRequest"])
        )
        return web.json_response({"num": made.num, "pullRequest": made.is_pr})

    async def _details(self, request: web.Request, account: Account | None) -> web.Response:
        repo, discussion = self._discussion(request, account)
        shown = self._brief(repo, discussion)
        shown["events"] = discussion.events
        if discussion.is_pr:
            shown["changes"] = {
                "base": "refs/heads/main",
                "mergeCommitId": discussion.merged or None,
            }
            shown["filesWithConflicts"] = []
            shown["diff"] = ""
        return web.json_response(shown)

    async def _comment(self, request: web.Request, account: Account | None) -> web.Response:
        _, discussion = self._discussion(request, account)
        body = await body_of(request)
        person = self._person(account)
        event = self._world.event(discussion, "comment", person.name, comment(body["comment"]))
        return web.json_response({"newMessage": event})

    async def _status(self, request: web.Request, account: Account | None) -> web.Response:
        repo, discussion = self._discussion(request, account)
        person = self._person(account)
        if person.name != discussion.author and not person.may_write(repo.namespace):
            raise Refusal(403, "You can't change the status of this discussion")
        body = await body_of(request)
        if discussion.status == body["status"]:
            raise Refusal(400, "The discussion already has this status")
        discussion.status = body["status"]
        event = self._world.event(
            discussion, "status-change", person.name, {"status": body["status"]}
        )
        return web.json_response({"newStatus": event})

    async def _merge(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._writable(request, account)
        _, discussion = self._discussion(request, account)
        if not discussion.is_pr or discussion.status not in ("open", "draft"):
            raise Refusal(400, "Only an open pull request can be merged")
        made = self._world.commit(
            repo, "main", f"{discussion.title} (#{discussion.num})", "", repo.head.files
        )
        discussion.status, discussion.merged = "merged", made.id
        return web.json_response({})

    async def _resolve(self, request: web.Request, account: Account | None) -> web.Response:
        repo = self._readable(request, account)
        commit = repo.at(request.match_info["rev"])
        content = commit.files.get(request.match_info["path"])
        if content is None:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        return web.Response(body=content, content_type="application/octet-stream")

    def _brief(self, repo: Repo, discussion: Discussion) -> dict[str, Any]:
        return {
            "title": discussion.title,
            "num": discussion.num,
            "author": {"name": discussion.author},
            "createdAt": stamp(discussion.at),
            "status": discussion.status,
            "repo": {"name": repo.id, "type": repo.kind},
            "isPullRequest": discussion.is_pr,
        }

    def _discussion(self, request: web.Request, account: Account | None) -> tuple[Repo, Discussion]:
        repo = self._readable(request, account)
        number = int(request.match_info["num"])
        if not 1 <= number <= len(repo.discussions):
            raise Refusal(404, "Discussion not found")
        return repo, repo.discussions[number - 1]

    def _readable(self, request: web.Request, account: Account | None) -> Repo:
        kind = request.match_info.get("kind", "models").rstrip("s")
        repo_id = f"{request.match_info['ns']}/{request.match_info['name']}"
        repo = self._world.repos.get((kind, repo_id))
        known = account is not None and repo is not None and account.may_read(repo.namespace)
        if repo is None or (repo.private and not known):
            raise Refusal(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, request: web.Request, account: Account | None) -> Repo:
        repo = self._readable(request, account)
        if not self._person(account).may_write(repo.namespace):
            raise Refusal(403, "You don't have the rights to write to this repository")
        return repo

    def _person(self, account: Account | None) -> Account:
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return account


def blob_id(content: bytes) -> str:
    """The git id of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _file(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": blob_id(path.encode())}
