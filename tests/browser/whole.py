"""A whole gateway behind the page, with a scripted model on loopback."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.model_room import ModelRoom
from agent.tools.base import Tool
from gateway.app import NO_TOOLS, Gateway, Running
from gateway.config import load
from gateway.equipment import providers
from tests.generous import generous
from tests.scenarios.stage import hurried
from tests.wire.openai import OpenAIServer, Reply

WAIT_S = 60.0
MODELS = {"main": "loopback-1"}


class WholeGateway:
    """`async with WholeGateway(folder) as gateway:` runs it; `halt` and `start` keep its port."""

    def __init__(
        self,
        folder: Path,
        *,
        models: Mapping[str, str] = MODELS,
        demo: bool = False,
        tools: Mapping[str, Tool] = NO_TOOLS,
        drain_s: int = 5,
    ) -> None:
        """`models` are the providers' names and their models, the primary first."""
        self._tools = tools
        self._drain_s = drain_s
        self.folder = folder
        self.workspace = folder / "workspace"
        self.model = OpenAIServer(models=tuple(models.values()))
        self.url = ""
        self._models = models
        self._demo = demo
        self._listen = "127.0.0.1:0"
        self._gateway: Gateway | None = None

    async def __aenter__(self) -> Self:
        self.workspace.mkdir()
        await self.model.__aenter__()
        await self.start()
        return self

    async def start(self) -> None:
        """Start it, also again after `halt`."""
        file = self.folder / "gatepost.toml"
        file.write_text("\n".join(self._config()))
        file.chmod(0o600)
        config = load(file, {})
        models = ModelRoom(sleep=hurried, jitter=lambda: 0.0)
        self._gateway = Gateway(config, extra_tools=self._tools, models=models, budgets=generous)
        running: Running = await self._gateway.start(await providers(config, demo=self._demo))
        assert running.url is not None
        self.url = running.url
        self._listen = running.url.removeprefix("http://")

    async def halt(self) -> None:
        """Stop it as SIGTERM does."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await gateway.stop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.halt()
        if kind is not None:
            await self.model.close()
            return
        await self.model.__aexit__(None, None, None)

    def answers(self, *texts: str) -> None:
        """Script the model's next replies, each in pieces of a few words."""
        for text in texts:
            pieces = tuple(text[start : start + 24] for start in range(0, len(text), 24))
            self.model.reply(Reply(deltas=pieces))

    async def asked(self, count: int) -> list[tuple[str, str]]:
        """Wait for the model's request number `count`: its roles and texts but the system's."""
        await self.model.seen(lambda _: len(self.model.asked) >= count, WAIT_S)
        messages: list[Mapping[str, Any]] = self.model.asked[count - 1]["messages"]
        return [(m["role"], m.get("content") or "") for m in messages if m["role"] != "system"]

    def _config(self) -> Iterator[str]:
        yield f'[gateway]\nstate_dir = "{self.folder}/state"\ndrain_s = {self._drain_s}\n'
        yield f'[web]\nlisten = "{self._listen}"\n'
        yield f'[tools]\nenabled = ["files"]\nworkspace = "{self.workspace}"\n'
        for name, model in self._models.items():
            yield f'[[providers]]\nname = "{name}"\nmodel = "{model}"\napi_key = "sk-loopback"'
            yield f'api = "openai-chat"\nbase_url = "{self.model.base_url}"\n'
            yield 'price = "included"\n'
