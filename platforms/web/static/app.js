// What the page does with script: send without leaving, follow the stream, stop, copy.
// Everything is also a plain form or link, so nothing here is needed to talk.

const main = document.querySelector("main");
const chat = main.dataset.chat;
const scroller = document.getElementById("scroll");
const log = document.getElementById("log");
const composer = document.getElementById("composer");
const box = document.getElementById("text");
const words = document.getElementById("words");
const stopForm = document.getElementById("stop");
const banner = document.getElementById("connection");
const toast = document.getElementById("toast");
const latest = document.getElementById("latest");

const NEAR_END_PX = 80;
const TOAST_MS = 5000;
const TOAST_MS_A_LETTER = 50;
const BANNER_AFTER_MS = 1200;
const HIDDEN_CLOSE_MS = 60000;
const RETRIES_MS = [1000, 2000, 5000, 10000];

let token = main.dataset.token;
let cursor = main.dataset.cursor;
// The message whose button was pressed last on this page: a form that opens there is ours.
let pressedAt = null;

document.documentElement.classList.add("js");

// Keys and storage ---------------------------------------------------------------------------

// crypto.randomUUID exists only on https and localhost; the page may be neither.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const kept = {
  load(name) {
    try {
      return sessionStorage.getItem(name) ?? "";
    } catch {
      return "";
    }
  },
  save(name, text) {
    try {
      if (text) sessionStorage.setItem(name, text);
      else sessionStorage.removeItem(name);
    } catch {
      // Storage may be switched off; what was typed then lives as long as the page.
    }
  },
};

const drafts = {
  name: `draft ${location.pathname}`,
  load() {
    return kept.load(this.name);
  },
  save(text) {
    kept.save(this.name, text);
  },
};

// What is typed into a form is still there after loading the page again, until it is done with.
const formDrafts = {
  name(form) {
    return `form ${form.elements.card.value} ${form.elements.form.value}`;
  },
  fields(form) {
    return Array.from(form.querySelectorAll("input:not([type=hidden]), select, textarea"));
  },
  save(form) {
    const typed = this.fields(form).map((field) => [field.name, field.value]);
    kept.save(this.name(form), JSON.stringify(typed));
  },
  load(root) {
    for (const form of root.querySelectorAll(".fill:not([data-recalled])")) {
      form.dataset.recalled = "";
      const typed = new Map(JSON.parse(kept.load(this.name(form)) || "[]"));
      for (const field of this.fields(form)) field.value = typed.get(field.name) ?? field.value;
    }
  },
  forget(form) {
    kept.save(this.name(form), "");
  },
};

// Showing ------------------------------------------------------------------------------------

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  localTimes(template.content);
  return template.content;
}

function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = at.toLocaleString();
    time.textContent =
      at.toDateString() === today
        ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
        : at.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
  }
}

function nearEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
}

function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

// Run a change of the log; who was reading the end goes on reading the end.
function change(work) {
  const follow = nearEnd();
  work();
  if (log.querySelector(".message")) document.getElementById("empty")?.remove();
  markBusy();
  if (follow) toEnd();
  latest.hidden = nearEnd();
}

function article(id) {
  return document.getElementById(`m-${id}`);
}

function working() {
  return words.textContent !== "";
}

// The last message, if it is ours and work goes on, is still growing: readers wait for its end.
function markBusy() {
  const last = log.lastElementChild;
  for (const busy of log.querySelectorAll("[aria-busy]")) {
    if (busy !== last || !working()) busy.removeAttribute("aria-busy");
  }
  if (working() && last?.classList.contains("assistant")) last.setAttribute("aria-busy", "true");
}

function insert(element) {
  const place = Number(element.dataset.place ?? 0);
  const later = Array.from(log.children).find(
    (other) => Number(other.dataset.place ?? 0) > place && place > 0,
  );
  log.insertBefore(element, later ?? null);
}

function formAt(card, root = log) {
  return Array.from(root.querySelectorAll(".fill")).find(
    (form) => form.elements.card.value === card,
  );
}

// A form that is being filled in outlives a new state of what it stands at, words and cursor too.
function keeping(forms, work) {
  const focused = document.activeElement;
  work();
  for (const own of forms) {
    const same = formAt(own.elements.card.value);
    if (same && same.elements.form.value === own.elements.form.value) same.replaceWith(own);
    if (own.isConnected && own.contains(focused)) focused.focus({ preventScroll: true });
  }
}

const receive = {
  reset({ log: html, words: now }) {
    const unsent = Array.from(log.querySelectorAll(".unsent"));
    showStatus(now);
    change(() => {
      keeping(Array.from(log.querySelectorAll(".fill")), () => log.replaceChildren(fragment(html)));
      for (const own of unsent) if (!document.getElementById(own.id)) log.append(own);
      formDrafts.load(log);
    });
  },
  whole({ id, html }) {
    const made = fragment(html).firstElementChild;
    change(() => {
      const known = article(id);
      const form = formAt(id);
      // After a restart the gateway hears of a card again, not that it had buttons.
      if (known?.classList.contains("boxed")) made.classList.add("boxed");
      if (form) made.append(form.cloneNode(true));
      if (known) keeping(form ? [form] : [], () => known.replaceWith(made));
      else insert(made);
    });
  },
  form({ card, html }) {
    change(() => {
      const gone = formAt(card);
      if (gone) formDrafts.forget(gone);
      gone?.remove();
      if (!html) return;
      const made = fragment(html).firstElementChild;
      (article(card) ?? log).append(made);
      // Only the page that pressed goes there; another one may be in the middle of a word.
      if (pressedAt !== card) return;
      pressedAt = null;
      made.scrollIntoView({ block: "nearest" });
      made.querySelector("input:not([type=hidden]), textarea")?.focus();
    });
  },
  part({ id, keep, blocks, foot }) {
    const known = article(id);
    if (!known) return;
    change(() => {
      const body = known.querySelector(".body");
      while (body.children.length > keep) body.lastElementChild.remove();
      body.append(fragment(blocks));
      if (foot !== undefined) known.querySelector(".foot").replaceChildren(fragment(foot));
    });
  },
  gone({ id }) {
    change(() => article(id)?.remove());
  },
  status({ words: now }) {
    showStatus(now);
    markBusy();
    if (!now) refreshList();
  },
  notice({ text }) {
    say(text);
  },
};

function showStatus(now) {
  words.textContent = now;
  stopForm.hidden = !now;
  if (now) stopForm.querySelector("button").disabled = false;
  else if (document.activeElement === document.body) box.focus({ preventScroll: true });
}

let toastTimer;
function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), TOAST_MS + TOAST_MS_A_LETTER * text.length);
}

async function refreshList() {
  try {
    const answer = await fetch(`/chats?current=${chat}`);
    if (!answer.ok) return;
    const list = fragment(await answer.text()).firstElementChild;
    document.getElementById("list").replaceWith(list);
    const title = list.querySelector("[aria-current] .title")?.textContent;
    if (title) {
      document.getElementById("title").textContent = title;
      document.title = `${title} · Gatepost`;
    }
  } catch {
    // The banner already says that the connection is lost.
  }
}

// The stream ---------------------------------------------------------------------------------

let source = null;
let retryTimer;
let bannerTimer;
let failures = 0;

function connect() {
  clearTimeout(retryTimer);
  source?.close();
  source = new EventSource(`/chat/${chat}/events?after=${encodeURIComponent(cursor)}`);
  source.onopen = connected;
  source.onerror = disconnected;
  for (const [name, take] of Object.entries(receive)) {
    source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  }
  source.addEventListener("mark", (event) => (cursor = event.lastEventId));
}

function connected() {
  failures = 0;
  clearTimeout(bannerTimer);
  bannerTimer = undefined;
  main.dataset.connected = "true";
  banner.hidden = true;
}

function disconnected() {
  delete main.dataset.connected;
  bannerTimer ??= setTimeout(() => {
    banner.textContent = "Connection lost. Trying to reconnect…";
    banner.hidden = false;
  }, BANNER_AFTER_MS);
  // A lost connection the browser renews by itself; a refused one it gives up for good.
  if (source.readyState !== EventSource.CLOSED) return;
  const wait = RETRIES_MS[Math.min(failures++, RETRIES_MS.length - 1)];
  retryTimer = setTimeout(async () => {
    try {
      await renewToken();
    } catch {
      // Still away: the next attempt finds out by itself.
    }
    connect();
  }, wait);
}

// A browser holds only a few connections to one address; pages nobody sees give theirs back.
let hiddenTimer;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      source?.close();
      source = null;
    }, HIDDEN_CLOSE_MS);
  } else if (!source) {
    connect();
  }
});
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && connect());
addEventListener("online", () => source?.readyState === EventSource.CLOSED && connect());

// Sending ------------------------------------------------------------------------------------

async function renewToken() {
  const answer = await fetch("/form");
  if (answer.status === 401) {
    // Signed out elsewhere, or the token changed.
    drafts.save(box.value);
    location.reload();
  }
  if (answer.ok) token = (await answer.json()).token;
  return answer.ok;
}

// One act, sent until it is known to be stored or refused. Returns null or a sentence.
async function act(path, fields) {
  const key = fields.key;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    let answer;
    try {
      answer = await fetch(`/chat/${chat}/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...fields, key, token }),
      });
    } catch {
      return "The gateway does not answer. Check that it is running.";
    }
    if (answer.ok) return null;
    const told = await answer.json().catch(() => ({}));
    const stale = answer.status === 401 || told.code === "stale";
    if (!(stale && attempt === 0 && (await renewToken().catch(() => false)))) {
      return told.error ?? `The gateway refused this (${answer.status}).`;
    }
  }
  return null;
}

function showMine(key, text) {
  const own = document.getElementById("mine").content.firstElementChild.cloneNode(true);
  own.id = `m-${key}`;
  own.querySelector(".plain").textContent = text;
  change(() => log.append(own));
  toEnd();
  return own;
}

async function deliver(key, text, own) {
  const problem = await act("messages", { key, text });
  // The stream may have confirmed it already and put its own article in place of ours.
  if (problem === null) {
    if (own.isConnected) {
      own.classList.remove("unsent");
      own.querySelector(".sending")?.remove();
    }
    if (location.pathname !== `/chat/${chat}`) history.replaceState(null, "", `/chat/${chat}`);
    drafts.name = `draft ${location.pathname}`;
    refreshList();
    return;
  }
  own.querySelector(".sending").textContent = "not sent";
  const again = document.createElement("button");
  again.type = "button";
  again.className = "button quiet";
  again.textContent = "Send again";
  again.addEventListener("click", () => {
    own.querySelector(".sending").textContent = "sending…";
    own.querySelector(".foot").replaceChildren();
    box.focus({ preventScroll: true });
    deliver(key, text, own);
  });
  const reason = document.createElement("span");
  reason.className = "failure";
  reason.setAttribute("role", "alert");
  reason.textContent = problem;
  own.querySelector(".foot").replaceChildren(reason, again);
  toEnd();
}

function send(text) {
  if (!text.trim()) return;
  const key = newKey();
  deliver(key, text, showMine(key, text));
}

const files = document.getElementById("files");

composer.addEventListener("submit", (event) => {
  if (files.files.length && event.submitter?.name !== "example") {
    // The browser itself sends files, with the words beside them, and loads the page anew.
    composer.elements.token.value = token;
    drafts.save("");
    return;
  }
  event.preventDefault();
  const example = event.submitter?.name === "example" ? event.submitter.value : null;
  send(example ?? box.value);
  if (example === null) {
    box.value = "";
    drafts.save("");
    grow();
  }
  box.focus({ preventScroll: true });
});

// On a phone there is no Shift + Enter, so there Enter is a new line and the button sends.
const byTouch = matchMedia("(hover: none) and (pointer: coarse)");
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || byTouch.matches) return;
  event.preventDefault();
  if (box.value.trim() || files.files.length) composer.requestSubmit();
});

// Files join those that were chosen before, wherever on the page they are pasted or let go.
function attach(more) {
  const all = new DataTransfer();
  for (const file of [...files.files, ...more]) all.items.add(file);
  files.files = all.files;
  box.focus({ preventScroll: true });
}

document.addEventListener("paste", (event) => {
  const { types, files: pasted } = event.clipboardData;
  // Words copied with their layout bring a picture of themselves along.
  const words = types.includes("text/plain") && types.includes("text/html");
  if (!pasted.length || words || event.target.closest?.(".fill")) return;
  event.preventDefault();
  attach(pasted);
});

// Beside the box, too: the browser would leave the page and show the file.
document.addEventListener("dragover", (event) => {
  if (event.dataTransfer.types.includes("Files")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  attach(event.dataTransfer.files);
});

box.addEventListener("input", () => {
  drafts.save(box.value);
  grow();
});

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

// Stopping, pressing, copying ------------------------------------------------------------------

async function stop() {
  const button = stopForm.querySelector("button");
  if (stopForm.hidden || button.disabled) return;
  button.disabled = true;
  const problem = await act("stop", { key: newKey() });
  if (problem) {
    button.disabled = false;
    say(problem);
  }
}

stopForm.addEventListener("submit", (event) => {
  event.preventDefault();
  box.focus({ preventScroll: true });
  stop();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
  // An open drawer takes Escape for itself, what is folded out folds up, and a form stays.
  if (document.querySelector(":popover-open") || event.target.closest(".fill")) return;
  if (!foldUp(event.target)) stop();
});

// Fold up what is folded out and does not hold `inside`, or at Escape all of it.
function foldUp(inside, keep = false) {
  const open = Array.from(document.querySelectorAll(".fold[open]"));
  const folding = keep ? open.filter((fold) => !fold.contains(inside)) : open;
  for (const fold of folding) {
    fold.open = false;
    if (!keep && fold.contains(inside)) fold.querySelector("summary").focus();
  }
  return folding.length > 0;
}

// `toggle` does not bubble, but it is captured.
log.addEventListener(
  "toggle",
  (event) => {
    if (event.target.open) event.target.querySelector(".panel").scrollIntoView({ block: "nearest" });
  },
  true,
);

document.addEventListener("click", (event) => foldUp(event.target, true));

log.addEventListener("submit", async (event) => {
  if (!event.target.matches(".press")) return;
  event.preventDefault();
  const buttons = Array.from(event.target.querySelectorAll("button"));
  const message = event.target.elements.message.value;
  const payload = event.submitter.value;
  pressedAt = message;
  for (const button of buttons) button.disabled = true;
  const problem = await act("press", { key: newKey(), message, payload });
  for (const button of buttons) button.disabled = false;
  for (const fold of event.target.querySelectorAll(".fold[open]")) fold.open = false;
  if (problem) say(problem);
});

log.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".fill")) return;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form, event.submitter));
  const buttons = Array.from(form.querySelectorAll("button"));
  // The same act however often it is sent, so that words whose answer was lost count once.
  form.dataset.key ??= newKey();
  for (const button of buttons) button.disabled = true;
  const problem = await act("form", { ...fields, key: form.dataset.key });
  for (const button of buttons) button.disabled = false;
  if (problem === null) {
    formDrafts.forget(form);
    form.remove();
    box.focus({ preventScroll: true });
    return;
  }
  const failure = form.querySelector(".failure");
  failure.textContent = problem;
  failure.hidden = false;
});

log.addEventListener("input", (event) => {
  const form = event.target.closest(".fill");
  if (form) formDrafts.save(form);
});

log.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const code = button.closest(".code").querySelector("code");
  const done = await copy(code);
  button.textContent = done ? "Copied" : "Select and copy";
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    // Without https the browser offers no clipboard: select it, so that one key copies it.
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return false;
  }
}

// Start --------------------------------------------------------------------------------------

scroller.addEventListener("scroll", () => (latest.hidden = nearEnd()), { passive: true });
latest.addEventListener("click", () => {
  toEnd();
  box.focus({ preventScroll: true });
});

localTimes(document);
box.value ||= drafts.load();
formDrafts.load(log);
grow();
if (byTouch.matches) box.blur();
toEnd();
markBusy();
connect();
