"""A page for people: read a chat, write as somebody, press buttons. No external resources."""

from typing import Any

from tests.wire.telegram.world import Room, World

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
 padding-left:.4rem}.mention{color:#b91c1c}
 form{display:inline}form.say{display:flex;gap:.5rem;position:sticky;bottom:0;background:Canvas;
 padding:.5rem 0}form.say input[name=text]{flex:1}
</style>
<h1>Telegram on loopback</h1>
<p>Chat <select id="chat"></select> as user <input id="user" value="1001" size="6"></p>
<div id="messages" aria-live="polite"></div>
<form class="say" method="post" action="/page/say" id="say">
 <input name="text" autocomplete="off" autofocus
  placeholder="Write a message; in a group, mention @NAME"><button>Send</button>
</form>
<script>
const chat=document.getElementById('chat'),user=document.getElementById('user');
const list=document.getElementById('messages');
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
   const b=el('button','',k.label);
   b.onclick=()=>post('press',{message:m.id,data:k.data});line.append(b)}
   box.append(line)}
  list.append(box)}
 if(below)scrollTo(0,document.body.scrollHeight)}
async function refresh(){const t=await (await fetch('/page/state')).text();
 if(t+chat.value!==last){last=t+chat.value;draw(JSON.parse(t))}}
chat.onchange=refresh;setInterval(refresh,700);refresh();
</script>
"""


def state(world: World) -> list[dict[str, Any]]:
    """Every chat with its messages, as the page shows them."""
    world.room(1001)
    return [_room(world, room) for room in world.rooms.values()]


def _room(world: World, room: Room) -> dict[str, Any]:
    return {
        "id": room.id,
        "title": room.title,
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
                "keyboard": [
                    [{"label": key.label, "data": key.data} for key in row]
                    for row in message.versions[-1].keyboard
                ],
            }
            for _, message in sorted(room.messages.items())
        ],
    }
