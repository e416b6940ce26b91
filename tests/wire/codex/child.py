"""Plays `codex app-server` from a script: `python child.py SCRIPT.json app-server`.

The script says how each turn goes, as a list of operations; what was received is logged as lines
of JSON beside it, so that a test can see what reached the wire. Threads are kept in CODEX_HOME, as
the real one keeps them. Of the standard library only what starts fast is used: a test file starts
it dozens of times. So there is no pathlib here.
"""

# ruff: noqa: PTH105, PTH109, PTH123

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # neither is needed to run, and both take longer than all the rest
    from typing import Any

_write_lock = threading.Lock()


def send(message: dict[str, Any]) -> None:
    """Write one line."""
    raw((json.dumps(message) + "\n").encode())


def raw(data: bytes) -> None:
    """Write bytes as they are."""
    with _write_lock:
        os.write(1, data)


class Interrupted(Exception):
    """The turn was interrupted."""


class Server:
    """One app-server."""

    def __init__(self, script: dict[str, Any], log: str) -> None:
        self.script = script
        self.log_path = log
        self.home = os.environ["CODEX_HOME"]
        self.thread = ""
        self.turn = ""
        self.turns: list[str] = []
        self.work: queue.Queue[list[dict[str, Any]]] = queue.Queue()
        self.answers: dict[Any, queue.Queue[Any]] = {}
        self.interrupt = threading.Event()
        self.asked = 0
        self.heard = threading.Condition()
        self.methods: list[str] = []
        self.used = [0, 0]

    # -- records

    def log(self, entry: dict[str, Any]) -> None:
        with open(self.log_path, "a") as file:
            file.write(json.dumps(entry) + "\n")

    def threads(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self.load("threads.json") or "{}")
        return kept

    def keep(self) -> None:
        kept = self.threads()
        kept[self.thread] = {"turns": self.turns, "played": self.played}
        self.store("threads.json", json.dumps(kept))

    def store(self, name: str, text: str) -> None:
        """Write a file whole: we may be killed at any time."""
        fresh = f"{self.home}/{name}.new"
        with open(fresh, "w") as file:
            file.write(text)
        os.replace(fresh, f"{self.home}/{name}")

    def load(self, name: str) -> str:
        try:
            with open(f"{self.home}/{name}") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    @property
    def played(self) -> int:
        """Turns that any child of this home has begun: the script goes on where it was."""
        return int(self.load("played") or 0)

    # -- requests

    def receive(self, message: dict[str, Any]) -> None:
        self.log({"in": message})
        method, number = message.get("method"), message.get("id")
        if method is None:
            self.answers.setdefault(number, queue.Queue()).put(message)
            return
        if number is None:
            return
        special = self.script.get("answers", {}).get(method)
        if special is not None:
            if isinstance(special, dict):
                send({"id": number, **special})
            self.hear(method)
            return
        result = self.handle(method, message.get("params") or {})
        self.hear(method)
        if "code" in result:
            send({"id": number, "error": result})
        elif method == "turn/start":
            # The turn may speak before its request is answered.
            early = self.script.get("early", False)
            if not early:
                send({"id": number, "result": result})
            self.begin()
            if early:
                self.do_work(0.05)
                send({"id": number, "result": result})
        else:
            send({"id": number, "result": result})
            if method == "thread/compact/start":
                self.begin_compaction()

    def hear(self, method: str) -> None:
        """Let a turn go on that waits for a request."""
        with self.heard:
            self.methods.append(method)
            self.heard.notify_all()

    def handle(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        version = self.script.get("version", "0.169.0")
        if method == "initialize":
            return {"userAgent": f"gatepost/{version} (Loopback)", "codexHome": self.home}
        if method == "account/read":
            account: dict[str, Any] = {"account": None, "requiresOpenaiAuth": False}
            return {**account, **self.script.get("account", {})}
        return self.handle_thread(method, params, version)

    def handle_thread(self, method: str, params: dict[str, Any], version: str) -> dict[str, Any]:
        if method == "thread/start":
            self.thread, self.turns = f"thr-{len(self.threads()) + 1}", []
            self.keep()
            return self.opened()
        if method == "thread/resume" and params["threadId"] in self.threads():
            self.thread = params["threadId"]
            self.turns = list(self.threads()[self.thread]["turns"])
            return self.opened()
        newer = tuple(map(int, version.split("."))) >= (0, 150)
        if method == "thread/rollback" and not newer:
            del self.turns[-params["numTurns"] :]
            self.keep()
            return {}
        if method == "thread/revert" and newer:
            del self.turns[self.turns.index(params["beforeTurnId"]) :]
            self.keep()
            return {}
        return self.handle_turn(method, params)

    def handle_turn(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "thread/compact/start":
            return {}
        if method == "turn/start":
            return {"turn": {"id": self.next_turn(), "items": [], "status": "inProgress"}}
        if method == "turn/steer" and params["expectedTurnId"] == self.turn:
            return {"turnId": self.turn}
        if method == "turn/interrupt":
            if not self.script.get("deaf"):
                self.interrupt.set()
                for waiting in self.answers.values():
                    waiting.put(None)
            return {}
        return {"code": -32600, "message": f"{method}: unknown variant, or no such thing"}

    def opened(self) -> dict[str, Any]:
        turns = [{"id": turn, "items": [], "status": "completed"} for turn in self.turns]
        sandbox = self.script.get("sandbox", {"type": "readOnly", "networkAccess": False})
        return {
            "thread": {"id": self.thread, "turns": turns},
            "model": self.script.get("model", "gpt-test"),
            "sandbox": sandbox,
            "approvalPolicy": "on-request",
            "approvalsReviewer": "user",
        }

    def next_turn(self) -> str:
        played = self.played
        self.store("played", str(played + 1))
        self.turn = f"turn-{played + 1}"
        self.turns.append(self.turn)
        self.keep()
        return self.turn

    def begin(self) -> None:
        turns = self.script.get("turns", [])
        index = self.played - 1
        self.work.put(turns[index] if index < len(turns) else [{"message": "(no script)"}])

    def begin_compaction(self) -> None:
        self.turn = f"compact-{self.played}-{len(self.turns)}"
        self.work.put([{"item": {"type": "contextCompaction", "id": "z1"}}])

    # -- a turn

    def play(self) -> None:
        while True:
            operations = self.work.get()
            self.interrupt.clear()
            self.say("turn/started", turn={"id": self.turn, "status": "inProgress"})
            try:
                self.run(operations)
                self.end({"status": "completed"})
            except Interrupted:
                self.end({"status": "interrupted"})

    def end(self, turn: dict[str, Any]) -> None:
        if self.turn:
            turn_id, self.turn = self.turn, self.turn
            self.say("turn/completed", turn={"id": turn_id, "items": [], "error": None, **turn})

    def run(self, operations: list[dict[str, Any]]) -> None:
        for operation in operations:
            if self.interrupt.is_set():
                raise Interrupted
            ((name, value), *rest) = operation.items()
            getattr(self, f"do_{name}")(value, **dict(rest))

    def say(self, method: str, **params: Any) -> None:
        base = {"threadId": self.thread}
        if not method.startswith("turn/") or "turn" not in params:
            base["turnId"] = self.turn
        send({"method": method, "params": {**base, **params}})

    def do_delta(self, text: str, item: str = "m1") -> None:
        self.say("item/agentMessage/delta", itemId=item, delta=text)

    def do_message(self, text: str, item: str = "m1") -> None:
        self.say("item/completed", item={"type": "agentMessage", "id": item, "text": text})

    def do_reasoning(self, text: str) -> None:
        self.say("item/reasoning/summaryTextDelta", itemId="r1", delta=text, summaryIndex=0)

    def do_started(self, item: dict[str, Any]) -> None:
        self.say("item/started", item=item)

    def do_item(self, item: dict[str, Any]) -> None:
        self.say("item/started", item={**item, "status": "inProgress"})
        self.say("item/completed", item=item)

    def do_finished(self, item: dict[str, Any]) -> None:
        self.say("item/completed", item=item)

    def do_usage(self, used: list[int]) -> None:
        self.used = [self.used[0] + used[0], self.used[1] + used[1]]
        shape = ("inputTokens", "outputTokens")
        rest = {"cachedInputTokens": 0, "reasoningOutputTokens": 0}
        total = {**dict(zip(shape, self.used, strict=True)), **rest}
        last = {**dict(zip(shape, used, strict=True)), **rest}
        self.say("thread/tokenUsage/updated", tokenUsage={"total": total, "last": last})

    def do_say(self, method: str, params: dict[str, Any] | None = None) -> None:
        self.say(method, **(params or {}))

    def do_send(self, message: dict[str, Any]) -> None:
        send(message)

    def do_raw(self, text: str) -> None:
        raw(text.encode())

    def do_stderr(self, text: str) -> None:
        os.write(2, text.encode())

    def do_sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def do_work(self, seconds: float) -> None:
        """Take so long without ever waiting: a clock that jumps stands still meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass

    def do_spawn(self, seconds: int) -> None:
        """Begin a command that goes on by itself; its id is logged."""
        command = os.spawnv(os.P_NOWAIT, "/bin/sleep", ["sleep", str(seconds)])
        self.log({"spawned": command})

    def do_exit(self, code: int) -> None:
        os._exit(code)

    def do_received(self, method: str, times: int = 1) -> None:
        """Wait for so many requests of a method."""
        with self.heard:
            self.heard.wait_for(lambda: self.methods.count(method) >= times, timeout=20)

    def do_silence(self, _: bool) -> None:
        self.interrupt.wait()
        raise Interrupted

    def do_fail(self, error: dict[str, Any]) -> None:
        self.say("error", error=error, willRetry=False)
        self.say("turn/completed", turn={"id": self.turn, "status": "failed", "error": error})
        self.turn = ""

    def do_ask(
        self, method: str, params: dict[str, Any], answers: dict[str, Any] | None = None
    ) -> None:
        """Ask, wait for the answer, and go on as it says (`*` for every other one)."""
        self.wait_for(self.ask(method, params), answers or {})

    def do_asks(self, both: list[dict[str, Any]]) -> None:
        """Ask several things at once, and go on when all are answered."""
        numbers = [(self.ask(each["ask"], each["params"]), each["answers"]) for each in both]
        for number, answers in numbers:
            self.wait_for(number, answers)

    def ask(self, method: str, params: dict[str, Any]) -> int:
        number, self.asked = self.asked, self.asked + 1
        self.answers.setdefault(number, queue.Queue())
        base = {"threadId": self.thread, "turnId": self.turn}
        send({"id": number, "method": method, "params": {**base, **params}})
        return number

    def wait_for(self, number: int, answers: dict[str, Any]) -> None:
        message = self.answers[number].get()
        if message is None:
            raise Interrupted
        result = message.get("result") or {}
        word = result.get("decision") or result.get("action") or "*"
        if word == "cancel":
            raise Interrupted
        self.run(answers.get(word, answers.get("*", [])))


def main() -> None:
    """Serve until the input ends."""
    path = sys.argv[1]
    with open(path) as file:
        script = json.load(file)
    server = Server(script, path.removesuffix(".json") + ".log")
    server.log(
        {
            "started": os.getpid(),
            "env": sorted(os.environ),
            "cwd": os.getcwd(),
            "argv": sys.argv[2:],
            "group": os.getpgrp(),
        }
    )
    if words := script.get("stderr"):
        os.write(2, words.encode())
    if "exit" in script:
        os._exit(script["exit"])
    threading.Thread(target=server.play, daemon=True).start()
    for line in sys.stdin:
        server.receive(json.loads(line))
    server.log({"ended": os.getpid()})
    os._exit(0)


main()
