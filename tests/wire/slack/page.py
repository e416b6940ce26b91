"""A page for people: read a channel, write as somebody, press, choose, fill in forms.

No external resources.
"""

from collections.abc import Sequence
from typing import Any

from tests.wire.slack.checks import Json
from tests.wire.slack.controls import controls, label_of
from tests.wire.slack.interactions import Modal
from tests.wire.slack.views import INPUT_MAX, inputs
from tests.wire.slack.world import Channel, Message, World

HTML = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Slack on loopback</title><link rel="icon" href="data:,">
<style>
 body{font:16px/1.4 system-ui,sans-serif;max-width:44rem;margin:1rem auto;padding:0 1rem}
 .message{border:1px solid #8884;border-radius:.6rem;padding:.4rem .7rem;margin:.4rem 0}
 .ours{background:#3b82f622}.reply{margin-left:2rem}
 .text{white-space:pre-wrap;overflow-wrap:anywhere}.who{opacity:.7;font-size:.85em}
 .status{opacity:.7;font-style:italic}
 .bold{font-weight:bold}.italic{font-style:italic}.strike{text-decoration:line-through}
 .code,pre{font-family:monospace;background:#8883}pre{padding:.3rem;margin:.2rem 0;
 white-space:pre-wrap;overflow-wrap:anywhere}
 blockquote{margin:.2rem 0;padding-left:.5rem;border-left:3px solid #888}
 ol,ul{margin:.2rem 0}td{border:1px solid #8884;padding:.1rem .4rem}
 button.danger{color:#b91c1c}button.primary{color:#15803d;font-weight:bold}
 dialog{border:1px solid #8888;border-radius:.6rem;max-width:36rem}
 dialog label{display:block;margin:.5rem 0}dialog textarea,dialog input{width:100%}
 .warning{color:#b91c1c}
 form.say{display:flex;gap:.5rem;position:sticky;bottom:0;background:Canvas;padding:.5rem 0}
 form.say input[name=text]{flex:1}
</style>
<h1>Slack on loopback</h1>
<p>Channel <select id="chat"></select> as user <input id="user" value="U1" size="6">
 in <select id="thread"><option value="">the channel</option></select></p>
<div id="messages" aria-live="polite"></div>
<form class="say" id="say">
 <input name="text" autocomplete="off" autofocus
  placeholder="Write a message, @gatepost to mention, /gatepost help for a command">
 <button>Send</button>
</form>
<dialog id="ask" aria-label="Confirm"><p id="question"></p>
 <button id="no"></button> <button id="yes"></button></dialog>
<dialog id="modal" aria-label="Form"></dialog>
<script>
const chat=document.getElementById('chat'),user=document.getElementById('user');
const thread=document.getElementById('thread'),list=document.getElementById('messages');
let last='';
async function post(action,fields){
 await fetch('/page/'+action,{method:'POST',redirect:'manual',
  body:new URLSearchParams({chat:chat.value||'D1',user:user.value,thread:thread.value,...fields})});
 refresh()}
document.getElementById('say').onsubmit=e=>{e.preventDefault();
 const t=e.target.elements.text;post('say',{text:t.value});t.value=''};
function el(name,cls,text){const n=document.createElement(name);n.className=cls;
 n.textContent=text;return n}
function inline(box,e){
 const link=e.type==='link'&&/^(https?|mailto):/.test(e.url);
 const n=el(link?'a':'span',Object.keys(e.style||{}).join(' '),e.text||e.url||
  '@'+(e.user_id||e.channel_id||e.usergroup_id||e.range||e.name||'?'));
 if(link){n.href=e.url;n.rel='noreferrer'}box.append(n)}
function rich(e){
 if(e.type==='rich_text_list'){const n=el(e.style==='ordered'?'ol':'ul','','');
  n.start=1+(e.offset||0);n.style.marginLeft=(e.indent||0)*1.5+'rem';
  for(const item of e.elements){const li=el('li','','');
   for(const i of item.elements)inline(li,i);n.append(li)}return n}
 const tag={rich_text_preformatted:'pre',rich_text_quote:'blockquote'}[e.type]||'div';
 const n=el(tag,'','');for(const i of e.elements)inline(n,i);return n}
function block(b){
 if(b.type==='divider')return el('hr','','');
 if(b.type==='table'){const t=el('table','','');for(const row of b.rows){
  const tr=el('tr','','');for(const cell of row){const td=el('td','',cell.text||'');
   for(const e of cell.elements||[])td.append(rich(e));tr.append(td)}t.append(tr)}return t}
 const box=el('div','','');for(const e of b.elements||[])box.append(rich(e));return box}
const drawn=['rich_text','table','divider','actions'];
function body(m){
 if(!m.blocks.length||m.blocks.some(b=>!drawn.includes(b.type)))return el('div','text',m.text);
 const box=el('div','text','');
 for(const b of m.blocks)if(b.type!=='actions')box.append(block(b));return box}
function options(select,pairs){const now=select.value;
 select.replaceChildren(...pairs.map(p=>new Option(p[1],p[0])));
 if(pairs.some(p=>p[0]===now))select.value=now}
function sure(k,go){
 if(!k.confirm)return go();
 const ask=document.getElementById('ask');
 document.getElementById('question').textContent=k.confirm.title.text+' '+k.confirm.text.text;
 const yes=document.getElementById('yes'),no=document.getElementById('no');
 yes.textContent=k.confirm.confirm.text;no.textContent=k.confirm.deny.text;
 yes.onclick=()=>{ask.close();go()};no.onclick=()=>ask.close();ask.showModal()}
function button(m,k){const b=el('button',k.style,k.label);
 b.onclick=()=>sure(k,()=>post('press',{ts:m.ts,value:k.value}));return b}
function menu(m,k){const s=el('select','','');s.setAttribute('aria-label',k.label);
 s.append(new Option(k.label,''));for(const o of k.options)s.append(new Option(o.label,o.value));
 s.onchange=()=>{const v=s.value;s.value='';
  if(v)sure(k,()=>post('choose',{ts:m.ts,value:v}))};return s}
let standing='';
function form(f){
 const box=document.getElementById('modal'),now=f?f.id+f.warning+JSON.stringify(f.errors):'';
 if(now===standing)return;standing=now;box.close();if(!f)return;
 box.replaceChildren(el('h2','',f.title));
 if(f.warning)box.append(el('p','warning',f.warning));
 const inside=document.createElement('form');box.append(inside);
 for(const i of f.fields){const l=el('label','',i.label);
  const n=document.createElement(i.multiline?'textarea':'input');
  n.name='field:'+i.name;n.value=i.value;n.required=i.required;n.maxLength=i.max;l.append(n);
  if(f.errors[i.name])l.append(el('span','warning',f.errors[i.name]));inside.append(l)}
 const no=el('button','',f.close),yes=el('button','primary',f.submit);no.type='button';
 no.onclick=()=>post('cancel',{});inside.append(no,' ',yes);
 inside.onsubmit=e=>{e.preventDefault();post('submit',Object.fromEntries(new FormData(inside)))};
 box.oncancel=e=>{e.preventDefault();post('cancel',{})};box.showModal()}
function draw(channels,modals){
 form(modals.filter(f=>f.user===user.value).pop());
 const below=innerHeight+scrollY>document.body.scrollHeight-90;
 options(chat,channels.map(c=>[c.id,c.id+' ('+c.kind+')']));
 const channel=channels.find(c=>c.id===chat.value);list.replaceChildren();
 const messages=channel?channel.messages:[];
 options(thread,[['','the channel'],...messages.filter(m=>!m.thread).map(
  m=>[m.ts,'the thread of: '+m.text.slice(0,30)])]);
 for(const m of messages){
  const box=el('div','message '+(m.ours?'ours ':'')+(m.thread?'reply':''),'');
  box.append(el('div','who',m.name+(m.edits?' · edited':'')+(m.reactions?' '+m.reactions:'')));
  box.append(body(m));if(m.file)box.append(el('div','',' ['+m.file+']'));
  for(const k of m.controls)box.append(k.options?menu(m,k):button(m,k));
  if(m.status)box.append(el('div','status',m.status));
  list.append(box)}
 for(const e of channel?channel.ephemerals:[])
  list.append(el('div','message status','only '+e.user+' sees this: '+e.text));
 if(below)scrollTo(0,document.body.scrollHeight)}
async function refresh(){const t=await (await fetch('/page/state')).text();
 const now=t+chat.value+user.value;
 if(now!==last){last=now;const s=JSON.parse(t);draw(s.channels,s.modals)}}
chat.onchange=()=>{thread.value='';refresh()};setInterval(refresh,1000);refresh();
</script>
"""


def state(world: World, modals: Sequence[Modal]) -> Json:
    """Every channel with its messages, and the forms before people, as the page shows them."""
    for channel in ("D1", "C1"):
        world.channel(channel, user="U1")
    world.person("U1")
    return {
        "channels": [_channel(world, channel) for channel in world.channels.values()],
        "modals": [_modal(modal) for modal in modals if modal.stands],
    }


def _modal(modal: Modal) -> Json:
    view = modal.view
    return {
        "id": modal.id,
        "user": modal.user,
        "title": modal.title,
        "submit": view["submit"]["text"] if view.get("submit") else "Submit",
        "close": view["close"]["text"] if view.get("close") else "Cancel",
        "warning": modal.warning,
        "errors": dict(modal.errors),
        "fields": [
            {
                "name": block["block_id"],
                "label": block["label"]["text"],
                "value": modal.values[block["block_id"]],
                "required": not block.get("optional", False),
                "multiline": block["element"].get("multiline", False),
                "max": block["element"].get("max_length", INPUT_MAX),
            }
            for block in inputs(view)
        ],
    }


def _channel(world: World, channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "kind": channel.kind,
        "messages": [_message(world, message) for message in _in_threads(world, channel)],
        "ephemerals": [
            {"user": each.user, "text": each.text}
            for each in world.ephemerals
            if each.channel == channel.id
        ],
    }


def _in_threads(world: World, channel: Channel) -> list[Message]:
    """The messages, each reply below its root."""
    standing = world.visible_messages(channel.id)
    return sorted(standing, key=lambda message: (message.thread_ts or message.ts, message.ts))


def _message(world: World, message: Message) -> dict[str, Any]:
    blocks = [dict(block) for block in message.now.blocks]
    return {
        "ts": message.ts,
        "name": world.person(message.user).name,
        "ours": message.user == world.bot_user,
        "thread": message.thread_ts if message.thread_ts != message.ts else None,
        "text": message.now.shown,
        "blocks": blocks,
        "edits": len(message.versions) - 1,
        "file": ", ".join(file.name for file in message.files),
        "reactions": " ".join(f":{name}:" for name, users in message.reactions.items() if users),
        "status": world.statuses.get((message.channel, message.ts), ""),
        "controls": [_control(element) for _, element in controls(blocks)],
    }


def _control(element: Json) -> Json:
    shown = {"label": label_of(element), "confirm": element.get("confirm")}
    if element["type"] == "button":
        return shown | {"value": element.get("value", ""), "style": element.get("style", "")}
    options = [
        {"label": each["text"]["text"], "value": each["value"]} for each in element["options"]
    ]
    return shown | {"options": options}
