"""A page for people: read a chat, write as somebody, press buttons, answer what one is asked.

No external resources.
"""

from collections.abc import Collection
from typing import Any

from tests.wire.telegram.members import ADMINS
from tests.wire.telegram.methods import Press
from tests.wire.telegram.world import Asking, Room, World

HTML = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Telegram on loopback</title><link rel="icon" href="data:,">
<style>
 body{font:16px/1.4 system-ui,sans-serif;max-width:44rem;margin:1rem auto;padding:0 1rem}
 .message{border:1px solid #8884;border-radius:.6rem;padding:.4rem .7rem;margin:.4rem 0}
 .ours{background:#3b82f622;margin-left:2rem}.theirs{margin-right:2rem}
 .text{white-space:pre-wrap;overflow-wrap:anywhere}.who{opacity:.7;font-size:.85em}
 .bold{font-weight:bold}.italic{font-style:italic}.strikethrough{text-decoration:line-through}
 .code,.pre{font-family:monospace;background:#8883}.blockquote{border-left:3px solid #888;
 padding-left:.4rem}.mention,.text_mention{color:#b91c1c}.pre{display:inline-block;width:100%}
 .keys{display:flex;gap:.3rem;margin-top:.3rem}.keys button{flex:1}
 .primary{background:#2563eb;color:#fff}.danger{background:#b91c1c;color:#fff}
 .notice{border-left:4px solid #888;padding:.3rem .6rem;margin:.3rem 0}
 .alert{border-color:#b91c1c;font-weight:bold}
 form{display:inline}form.say{display:flex;gap:.5rem;position:sticky;bottom:0;background:Canvas;
 padding:.5rem 0}form.say input[name=text]{flex:1}
</style>
<h1>Telegram on loopback</h1>
<p>Chat <select id="chat"></select> as user <input id="user" value="1001" size="6">
 <label><input type="checkbox" id="admin"> administrator here</label></p>
<div id="messages" aria-live="polite"></div>
<div id="notices" aria-live="assertive"></div>
<form class="say" method="post" action="/page/say" id="say">
 <input name="text" autocomplete="off" autofocus
  placeholder="Write a message; in a group, mention @NAME"><button>Send</button>
</form>
<script>
const chat=document.getElementById('chat'),user=document.getElementById('user');
const list=document.getElementById('messages');
const notices=document.getElementById('notices'),admin=document.getElementById('admin');
let last='';
async function post(action,fields){
 await fetch('/page/'+action,{method:'POST',redirect:'manual',
  body:new URLSearchParams({chat:chat.value||'1001',user:user.value,...fields})});refresh()}
document.getElementById('say').onsubmit=e=>{e.preventDefault();
 const t=e.target.elements.text;post('say',{text:t.value});t.value=''};
function el(name,cls,text){const n=document.createElement(name);n.className=cls;
 n.textContent=text;return n}
function words(box,m){const cuts=new Set([0,m.text.length]);
 for(const e of m.entities){cuts.add(e.offset);cuts.add(e.offset+e.length)}
 const at=[...cuts].sort((a,b)=>a-b);
 for(let i=0;i+1<at.length;i++){
  const on=m.entities.filter(e=>e.offset<=at[i]&&e.offset+e.length>=at[i+1]);
  const link=on.find(e=>/^https?:/.test(e.url||''));
  const n=el(link?'a':'span',on.map(e=>e.type).join(' '),m.text.slice(at[i],at[i+1]));
  if(link){n.href=link.url;n.rel='noreferrer'}box.append(n)}}
admin.onchange=()=>post('promote',{});
function ask(box,m){if(!m.asking)return;
 if(m.asking.people&&!m.asking.people.includes(Number(user.value)))return;
 const f=el('form','fill',''),t=el('input','','');f.method='post';t.autocomplete='off';
 t.placeholder=m.asking.placeholder||'Reply';
 t.setAttribute('aria-label','Reply: '+(m.asking.placeholder||''));
 f.append(t,el('button','','Reply'));
 f.onsubmit=e=>{e.preventDefault();const w=t.value;t.value='';
  post('fill',{message:m.id,text:w})};
 box.append(f)}
function held(){const a=document.activeElement;
 return a&&a.closest&&a.closest('form.fill')&&a.value}
function draw(rooms){
 const below=innerHeight+scrollY>document.body.scrollHeight-90;
 if(chat.options.length!==rooms.length){const now=chat.value;chat.replaceChildren(...rooms.map(r=>
  new Option(r.title+' ('+r.id+')',r.id)));if(now)chat.value=now}
 const room=rooms.find(r=>String(r.id)===chat.value);list.replaceChildren();
 for(const m of (room?room.messages:[])){
  const box=el('div','message '+(m.ours?'ours':'theirs'),'');
  box.append(el('div','who',m.name+(m.thread?' · topic '+m.thread:'')+(m.edits?' · edited':'')
   +(m.reactions?' '+m.reactions:'')));
  const text=el('div','text','');words(text,m);
  if(m.file)text.append(' ['+m.file+']');box.append(text);
  for(const row of m.keyboard){const line=el('div','keys','');for(const k of row){
   const b=el('button',k.style,k.label);
   b.onclick=()=>post('press',{message:m.id,data:k.data});line.append(b)}
   box.append(line)}
  ask(box,m);list.append(box)}
 admin.checked=room?room.admins.includes(Number(user.value)):false;
 notices.replaceChildren(...(room?room.notices:[]).filter(n=>String(n.user)===user.value)
  .slice(-3).map(n=>el('div','notice'+(n.alert?' alert':''),n.text)));
 if(below)scrollTo(0,document.body.scrollHeight)}
async function refresh(){const t=await (await fetch('/page/state')).text();
 const now=t+chat.value+'/'+user.value;
 if(now!==last&&!held()){last=now;draw(JSON.parse(t))}}
chat.onchange=refresh;setInterval(refresh,700);refresh();
</script>
"""


def state(world: World, presses: Collection[Press]) -> list[dict[str, Any]]:
    """Every chat with its messages and what pressers were told, as the page shows them."""
    world.room(1001)
    return [_room(world, room, presses) for room in world.rooms.values()]


def _room(world: World, room: Room, presses: Collection[Press]) -> dict[str, Any]:
    return {
        "id": room.id,
        "title": room.title,
        "admins": [user for user, rank in room.ranks.items() if rank in ADMINS],
        "notices": [
            {"user": press.user, "text": press.text, "alert": press.alert}
            for press in presses
            if press.chat == room.id and press.text
        ],
        "messages": [
            {
                "id": message.id,
                "name": message.sender.name,
                "ours": message.sender.id == world.us.id,
                "thread": message.thread,
                "text": message.versions[-1].text,
                "entities": list(message.versions[-1].entities),
                "edits": len(message.versions) - 1,
                "file": message.file.name if message.file else "",
                "reactions": "".join(message.reactions),
                "asking": _asking(message.asking()),
                "keyboard": [
                    [{"label": key.label, "data": key.data, "style": key.style} for key in row]
                    for row in message.versions[-1].keyboard
                ],
            }
            for _, message in sorted(room.messages.items())
        ],
    }


def _asking(asking: Asking | None) -> dict[str, Any] | None:
    if asking is None:
        return None
    return {"placeholder": asking.placeholder, "people": asking.people}
