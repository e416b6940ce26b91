"""A page at `/` on which a person sees the chats of this server and talks in them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from tests.wire.discord.components import FIELD_MAX, fields_of
from tests.wire.discord.interactions import Interaction
from tests.wire.discord.world import Channel, Json, Message, User

if TYPE_CHECKING:
    from tests.wire.discord.server import DiscordServer

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Loopback Discord</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body { font: 15px/1.4 system-ui, sans-serif; margin: 0; background: #313338; color: #dbdee1; }
 main { max-width: 52rem; margin: 0 auto; padding: 1rem; }
 .text { white-space: pre-wrap; overflow-wrap: anywhere; margin: .2rem 0; }
 code { background: #2b2d31; } code.block { display: block; padding: .3rem .5rem; }
 li { list-style: none; padding: .4rem 0; border-bottom: 1px solid #3f4147; }
 ul { padding: 0; } small { color: #949ba4; } .bot > b { color: #8ea1ff; }
 .private { background: #3b3a55; } input, select, button { font: inherit; padding: .3rem; }
 #text { width: 60%; } #forms form { background: #2b2d31; padding: 1rem; margin: 1rem 0; }
 label { display: block; margin: .5rem 0; } label input, textarea { width: 100%; font: inherit; }
 .primary { background: #5865f2; color: #fff; } .danger { background: #da373c; color: #fff; }
</style></head><body><main>
<h1>Loopback Discord</h1>
<p>You are <select id="user" aria-label="user"></select>
 in <select id="chat" aria-label="chat"></select>
 <small id="state"></small></p>
<ul id="messages" aria-live="polite"></ul>
<div id="forms"></div>
<form id="say"><input id="text" aria-label="message" autocomplete="off"
 placeholder="Write; @bot mentions the bot, /name text uses a command"> <button>Send</button></form>
<script>
const $ = (id) => document.getElementById(id);
const make = (tag, text) => Object.assign(document.createElement(tag), {textContent: text});
const post = (path, body) => fetch(path, {method: "POST", body: JSON.stringify(body)}).then(show);
function fill(select, items) {
  if (select.options.length === items.length) return;
  const old = select.value;
  select.replaceChildren(...items.map((i) => new Option(i.name, i.id)));
  if (old) select.value = old;
}
let shown = "", open = "";
const MARKS = new RegExp([/```(?:\\w*\\n)?([^]*?)\\n?```\\n?/, /(`+)([^]*?[^`])\\2(?!`)/,
  /\\*\\*([^]+?)\\*\\*/, /\\\\([^0-9A-Za-z\\s])/].map((one) => one.source).join("|"));
function read(text, box = make("div", "")) {
  box.className = "text";
  for (let found; (found = MARKS.exec(text)); text = text.slice(found.index + found[0].length)) {
    box.append(text.slice(0, found.index));
    const [, block, , code, bold, sign] = found;
    if (bold !== undefined) box.append(read(bold, make("b", "")));
    else if (sign !== undefined) box.append(sign);
    else box.append(make("code", block ?? code));
    if (block !== undefined) box.lastChild.className = "block";
  }
  box.append(text);
  return box;
}
function card(m) {
  const li = document.createElement("li");
  li.className = (m.bot ? "bot " : "") + (m.private ? "private" : "");
  li.append(make("b", m.author), make("small", " " + m.note), read(m.content));
  const user = $("user").value;
  for (const row of m.rows) {
    const div = document.createElement("div");
    for (const part of row) div.append((part.options ? menu : button)(m, part, user), " ");
    li.append(div);
  }
  return li;
}
function button(m, part, user) {
  const b = Object.assign(make("button", part.label), {className: part.style});
  b.onclick = () => post("/console/press", {message: m.id, user, custom_id: part.custom_id});
  return b;
}
function menu(m, part, user) {
  const s = document.createElement("select");
  s.ariaLabel = part.label;
  s.append(new Option(part.label, ""), ...part.options.map((o) => new Option(o.label, o.value)));
  s.onchange = () => {
    if (s.value) post("/console/choose", {message: m.id, user, value: s.value});
    s.value = "";
  };
  return s;
}
function dialog(f) {
  const form = document.createElement("form");
  form.append(make("b", f.title));
  for (const field of f.fields) {
    const label = make("label", field.label + (field.required ? " *" : ""));
    const entry = document.createElement(field.lines ? "textarea" : "input");
    Object.assign(entry, {name: field.name, value: field.text, required: field.required});
    entry.maxLength = field.most;
    label.append(entry);
    form.append(label);
  }
  const close = Object.assign(make("button", "Cancel"), {type: "button"});
  close.onclick = () => post("/console/dismiss", {interaction: f.id});
  form.append(close, " ", make("button", "Submit"));
  form.onsubmit = (e) => {
    e.preventDefault();
    post("/console/fill", {interaction: f.id, values: Object.fromEntries(new FormData(form))});
  };
  return form;
}
async function show() {
  const query = new URLSearchParams({chat: $("chat").value, user: $("user").value});
  const state = await (await fetch("/console/state?" + query)).json();
  fill($("user"), state.users); fill($("chat"), state.chats);
  $("state").textContent = state.connected ? "bot connected" : "no bot connected";
  const below = innerHeight + scrollY > document.body.scrollHeight - 90;
  const now = JSON.stringify([$("user").value, state.messages]);
  const forms = JSON.stringify(state.forms);
  if (now !== shown) $("messages").replaceChildren(...state.messages.map(card));
  if (forms !== open) $("forms").replaceChildren(...state.forms.map(dialog));
  if (below && (now !== shown || forms !== open)) scrollTo(0, document.body.scrollHeight);
  shown = now; open = forms;
}
$("say").onsubmit = (e) => {
  e.preventDefault();
  post("/console/say", {chat: $("chat").value, user: $("user").value, text: $("text").value});
  $("text").value = "";
};
$("chat").onchange = $("user").onchange = show;
show(); setInterval(show, 1000);
</script></main></body></html>
"""


class Console:
    """Routes of the page; they are not part of Discord and leave no record."""

    def __init__(self, server: "DiscordServer") -> None:
        self._server = server

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.get("/", self._page),
            web.get("/favicon.ico", self._no_icon),  # browsers ask unasked
            web.get("/console/state", self._state),
            web.post("/console/say", self._say),
            web.post("/console/press", self._press),
            web.post("/console/choose", self._choose),
            web.post("/console/fill", self._fill),
            web.post("/console/dismiss", self._dismiss),
        ]

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _no_icon(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _state(self, request: web.Request) -> web.Response:
        people = [user for user in self._server.world.users.values() if not user.bot]
        for person in people:
            self._server.dm(person)
        chats = list(self._server.world.channels.values())
        chat = self._channel(request.query.get("chat", "")) or chats[0]
        viewer = self._user(request.query.get("user", ""))
        return web.json_response(
            {
                "users": [{"id": str(user.id), "name": user.name} for user in people],
                "chats": [{"id": str(one.id), "name": _title(one)} for one in chats],
                "connected": bool(self._server.gateway.connections),
                "messages": [
                    _shown(message) for message in self._server.messages(chat, viewer=viewer)[-100:]
                ],
                "forms": [_form(one) for one in self._server.open_forms(viewer)],
            }
        )

    async def _say(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        chat, user = self._channel(body["chat"]), self._user(body["user"])
        text = str(body["text"]).replace("@bot", f"<@{self._server.bot.id}>")
        if chat is None or user is None or not text.strip():
            return web.Response(status=400)
        name, _, rest = text.removeprefix("/").partition(" ")
        known = {command["name"] for command in self._server.interactions.commands}
        if text.startswith("/") and name in known:
            await self._server.invoke(chat, user, name, rest or None)
        else:
            await self._server.say(chat, user, text)
        return web.Response(status=204)

    async def _press(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        message = self._server.world.find_message(int(body["message"]))
        user = self._user(body["user"])
        if message is None or user is None:
            return web.Response(status=400)
        await self._server.press(message, user, str(body["custom_id"]))
        return web.Response(status=204)

    async def _choose(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        message = self._server.world.find_message(int(body["message"]))
        user = self._user(body["user"])
        if message is None or user is None:
            return web.Response(status=400)
        await self._server.choose(message, user, str(body["value"]))
        return web.Response(status=204)

    async def _fill(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        if (opened_by := self._open_form(body)) is None:
            return web.Response(status=400)
        # Browsers send two characters for the end of a line, Discord one.
        values = {name: text.replace("\r\n", "\n") for name, text in body["values"].items()}
        await self._server.fill(opened_by, values)
        return web.Response(status=204)

    async def _dismiss(self, request: web.Request) -> web.Response:
        if (opened_by := self._open_form(await request.json())) is None:
            return web.Response(status=400)
        self._server.dismiss(opened_by)
        return web.Response(status=204)

    def _open_form(self, body: Json) -> Interaction | None:
        wanted = str(body["interaction"])
        return next((one for one in self._server.open_forms() if str(one.id) == wanted), None)

    def _channel(self, text: str) -> Channel | None:
        return self._server.world.channels.get(int(text)) if text.isdecimal() else None

    def _user(self, text: str) -> User | None:
        return self._server.world.users.get(int(text)) if text.isdecimal() else None


def _title(channel: Channel) -> str:
    if channel.guild is None:
        return f"direct messages with {channel.name}"
    if channel.parent is not None:
        return f"#{channel.parent.name} > {channel.name}"
    return f"#{channel.name}"


def _shown(message: Message) -> Json:
    notes = [
        "only you see this" if message.private_to is not None else "",
        "edited" if len(message.history) > 1 else "",
        "thinking" if message.thinking else "",
        " ".join(emoji for emoji, who in message.reactions.items() if who),
        ", ".join(file.name for file in message.files),
    ]
    return {
        "id": str(message.id),
        "author": message.author.name,
        "bot": message.author.bot,
        "content": message.content,
        "private": message.private_to is not None,
        "note": " · ".join(note for note in notes if note),
        "rows": [
            [_control(part) for part in row["components"] if not part.get("disabled")]
            for row in message.current.components
        ],
    }


def _control(part: Json) -> Json:
    if part["type"] == 3:
        options = [{"label": o["label"], "value": o["value"]} for o in part["options"]]
        return {"label": part.get("placeholder") or "Choose", "options": options}
    style = {1: "primary", 4: "danger"}.get(part["style"], "plain")
    return {"label": part.get("label", ""), "custom_id": part.get("custom_id"), "style": style}


def _form(opened_by: Interaction) -> Json:
    assert opened_by.modal is not None
    return {
        "id": str(opened_by.id),
        "title": opened_by.modal["title"],
        "fields": [
            {
                "name": field["custom_id"],
                "label": label,
                "text": field.get("value") or "",
                "lines": field["style"] == 2,
                "required": field.get("required", True),
                "most": field.get("max_length") or FIELD_MAX,
            }
            for label, field in fields_of(opened_by.modal)
        ],
    }
