"""File and environment to frozen values; every fault at once, each with its line and its fix."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.config import values
from gateway.config.faults import ConfigError, Fault, KeyPath, Wrong
from gateway.config.ids import ChatPattern, UserId, parse_chat
from gateway.config.lines import key_lines, line_of
from gateway.config.policy import people_of, policy_from
from gateway.config.sources import (
    absolute,
    find_file,
    read_file,
    secret_reader,
    with_credentials,
    with_environment,
)
from gateway.refs import standing_text

if TYPE_CHECKING:
    from agent.tools.base import Tool
    from gateway.config.kinds import Section
    from gateway.config.schema import AccessOverride, ConfigFile
    from gateway.config.schema_approvals import ApprovalsSection
    from gateway.config.schema_providers import ProviderSection
    from gateway.config.schema_tools import McpSection, ToolsSection

Value = TypeVar("Value")
Place = Callable[[str], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """What the file says, before anything is fetched or checked."""

    file: Path | None
    tree: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def fault(self, path: KeyPath, wrong: Wrong) -> Fault:
        line = line_of(path, self.lines)
        key = self._name(path)
        return Fault(file=self.file, line=line, key=key, problem=wrong.problem, fix=wrong.fix)

    def _name(self, path: KeyPath) -> str:
        """Spell a path for people: providers by their name, other list items by their list."""
        parts: list[str] = []
        here: Any = self.tree
        for key in path:
            here = _item(here, key)
            if isinstance(key, str):
                parts.append(key)
            elif isinstance(here, dict):
                name = here.get("name") or here.get("id")
                parts.append(name if isinstance(name, str) and name else str(key + 1))
        return ".".join(parts)


def load(
    path: Path | None, environ: Mapping[str, str], credentials_dir: Path | None = None
) -> values.Config:
    """Return the configuration; raises ConfigError, which carries every fault there is.

    `path` None searches $GATEPOST_CONFIG and the default places, and falls back to embedded
    defaults. `credentials_dir` None takes $CREDENTIALS_DIRECTORY.
    """
    file = find_file(path, environ)
    if credentials_dir is None and environ.get("CREDENTIALS_DIRECTORY"):
        credentials_dir = Path(environ["CREDENTIALS_DIRECTORY"])
    base_dir = (file.parent if file else Path()).absolute()
    place = partial(absolute, base_dir=base_dir, home=environ.get("HOME"))
    if file is None and credentials_dir is None:
        return _embedded(place)

    document = _parse(file, read_file(file) if file else "")
    tree, unset = with_environment(document.tree, environ)
    misread = list(unset)
    if credentials_dir is not None:
        tree, unreadable = with_credentials(tree, credentials_dir)
        misread.extend(unreadable)

    from gateway.config.check import check  # pydantic: not paid for on embedded defaults

    model, broken = check(
        tree,
        faulty=frozenset(item.path for item in misread),
        read_secret_file=secret_reader(base_dir, environ.get("HOME")),
        place=place,
    )
    if model is None:
        found = [(item.path, item.wrong) for item in misread] + list(broken)
        faults = [document.fault(at, wrong) for at, wrong in found]
        raise ConfigError(tuple(sorted(faults, key=lambda fault: fault.line or 0)))
    return _config(model, file.absolute() if file else None, place)


def rule_faults(config: values.Config, tools: "Mapping[str, Tool]") -> tuple[Fault, ...]:
    """What is wrong with the rules of the file, held against the tools there are."""
    from agent.rule_checks import check_rules

    found = check_rules(config.policy, tools)
    if not found or config.source is None:
        return ()
    document = _parse(config.source, read_file(config.source))
    return tuple(
        document.fault(("policy", fault.rule, *fault.at), Wrong(fault.problem, fault.fix))
        for fault in found
    )


def _parse(file: Path | None, text: str) -> _Document:
    try:
        tree = tomllib.loads(text, parse_float=_decimal)
        return _Document(file=file, tree=tree, lines=key_lines(text))
    except (ValueError, RecursionError) as exc:
        raise ConfigError((_syntax_fault(file, text, exc),)) from exc


def _decimal(text: str) -> Decimal:
    """Read a number as it is written: money must not pass through binary fractions."""
    try:
        return Decimal(text)
    except InvalidOperation as exc:
        raise ValueError(f"a number of too many digits: {text[:20]}") from exc


def _syntax_fault(file: Path | None, text: str, exc: Exception) -> Fault:
    message = str(exc)
    at_line = re.search(r" \(at line (\d+), column \d+\)$", message)
    if at_line:
        line: int | None = int(at_line[1])
    else:
        line = text.rstrip().count("\n") + 1 if message.endswith("(at end of document)") else None
    what = re.sub(r" \(at [^()]*\)$", "", message)
    fix = "mend the line"
    if isinstance(exc, RecursionError):
        what, fix = "lists or tables are nested too deeply", "nest less"
    elif "Invalid value" in what:
        fix = "text needs quotes; numbers, true and false have none"
    elif "overwrite" in what or "twice" in what:
        fix = "the key or table stands twice; keep one"
    elif "digits" in what:
        what, fix = "a number is too long", "shorten it"
    return Fault(file=file, line=line, key="", problem=f"not valid TOML: {what}", fix=fix)


def _item(tree: Any, key: str | int) -> Any:
    try:
        return tree[key]
    except (KeyError, IndexError, TypeError):
        return None


def _embedded(place: Place) -> values.Config:
    """Return the defaults for a start with no file at all; paths start at the working directory."""
    gateway, tools = values.GatewayConfig(), values.ToolsConfig()
    return values.Config(
        gateway=values.GatewayConfig(state_dir=place(str(gateway.state_dir))),
        tools=values.ToolsConfig(workspace=place(str(tools.workspace))),
    )


def _config(model: "ConfigFile", file: Path | None, place: Place) -> values.Config:
    platforms = model.platforms
    return values.Config(
        source=file,
        gateway=_filled(
            values.GatewayConfig, model.gateway, state_dir=place(model.gateway.state_dir)
        ),
        web=_filled(values.WebConfig, model.web),
        platforms=values.PlatformsConfig(
            telegram=_filled_or_none(values.TelegramConfig, platforms.telegram),
            slack=_filled_or_none(values.SlackConfig, platforms.slack),
            discord=_filled_or_none(values.DiscordConfig, platforms.discord),
        ),
        access=_access(model, None),
        access_by_platform={
            "telegram": _access(model, model.access.telegram),
            "slack": _access(model, model.access.slack),
            "discord": _access(model, model.access.discord),
        },
        sessions=_filled(values.SessionsConfig, model.sessions),
        providers=tuple(_provider(entry, place) for entry in model.providers),
        tools=_tools(model.tools, place),
        transcription=_filled_or_none(values.TranscriptionConfig, model.transcription),
        budget=_filled(values.BudgetConfig, model.budget),
        approvals=_approvals(model.approvals),
        payers=_filled(values.PayersConfig, model.payers),
        people=people_of(model.people),
        policy=policy_from(model.policy, people_of(model.people)),
        mcp=tuple(_mcp(entry) for entry in model.mcp),
        destinations=_destinations(model),
        cron=jobs_from(model),
    )


def _filled(
    make: Callable[..., Value],
    section: "Section",
    *,
    without: frozenset[str] = frozenset(),
    **over: Any,
) -> Value:
    """Make a value of the keys the file gave; the others keep the value's own defaults."""
    given = {name: getattr(section, name) for name in section.model_fields_set - without}
    return make(**given | over)


def _filled_or_none(make: Callable[..., Value], section: "Section | None") -> Value | None:
    return None if section is None else _filled(make, section)


def _access(model: "ConfigFile", over: "AccessOverride | None") -> values.AccessConfig:
    """Lay one platform's rules over the general ones: lists add, the rest replaces."""
    base = model.access
    mention = over.require_mention if over else None
    return values.AccessConfig(
        dm=(over.dm if over else None) or base.dm,
        users=model.gateway.owners + base.users + (over.users if over else ()),
        chats=base.chats + (over.chats if over else ()),
        require_mention=base.require_mention if mention is None else mention,
        bots=_bots(base.bots, base.users + (over.users if over else ())),
    )


def _bots(said: str | tuple[UserId, ...], users: tuple[UserId, ...]) -> tuple[UserId, ...]:
    """The bots that are answered: none, those among the users, or a list of their own."""
    if isinstance(said, tuple):
        return said
    return users if said == "listed" else ()


def _provider(entry: "ProviderSection", place: Place) -> values.ProviderConfig:
    return _filled(
        values.ProviderConfig,
        entry,
        base_url=entry.base_url or _address(entry),
        model=entry.model or "demo",
        api_keys=entry.api_keys or (),
        credential=tuple(_placed(one, place) for one in entry.credential or ()),
        command=entry.command or (),
        home=None if entry.home is None else place(entry.home),
    )


def _address(entry: "ProviderSection") -> str | None:
    """Where an entry without `base_url` is asked: at its login's service, else its vendor."""
    match entry.credential:
        case (values.LoginConfig() | values.ExchangeConfig() as one, *_):
            return values.SERVICE_URLS[one.service]
    return values.VENDOR_URLS.get(entry.api)


def _placed(credential: values.CredentialConfig, place: Place) -> values.CredentialConfig:
    if isinstance(credential, values.LoginConfig) and credential.file is not None:
        return replace(credential, file=place(str(credential.file)))
    return credential


def _tools(section: "ToolsSection", place: Place) -> values.ToolsConfig:
    return _filled(
        values.ToolsConfig,
        section,
        without=frozenset({"send_message"}),
        workspace=place(section.workspace),
        shell=_filled(values.ShellConfig, section.shell),
        web_search=_filled_or_none(values.WebSearchConfig, section.web_search),
        huggingface=_filled_or_none(values.HuggingFaceConfig, section.huggingface),
        destinations={
            name: _standing(chat) for name, chat in section.send_message.destinations.items()
        },
    )


def _approvals(section: "ApprovalsSection") -> values.ApprovalsConfig:
    """Single chats come most specific first, so that the first that fits is the closest."""
    listed = [
        (parse_chat(text), entry.approvers)
        for text, entry in (section.chats.model_extra or {}).items()
    ]
    listed.sort(key=lambda item: (-len(item[0].parts), item[0].star))
    return _filled(values.ApprovalsConfig, section, chats=tuple(listed))


def _mcp(entry: "McpSection") -> values.McpConfig:
    price, prices = entry.price or (None, {})
    return values.McpConfig(
        name=entry.name,
        command=entry.command or (),
        url=entry.url,
        env=tuple(entry.env.items()),
        headers=tuple(entry.headers.items()),
        effects=entry.effects,
        tags={tool: frozenset(tags) for tool, tags in entry.tags.items()},
        price=price,
        prices=prices,
    )


def _destinations(model: "ConfigFile") -> dict[str, values.DestinationConfig]:
    return {
        name: _filled(values.DestinationConfig, entry, chat=_standing(entry.chat))
        for name, entry in (model.destinations.model_extra or {}).items()
    }


def _standing(chat: ChatPattern) -> ChatPattern:
    return parse_chat(standing_text(str(chat)))


def jobs_from(model: "ConfigFile") -> tuple[values.CronJob, ...]:
    """The jobs of a file; each has its zone and its chat, also where it names neither itself."""
    named = {**model.tools.send_message.destinations}
    named |= {name: entry.chat for name, entry in _destinations(model).items()}
    return tuple(
        _filled(
            values.CronJob,
            entry,
            schedule=None if entry.schedule == values.HOOK else entry.schedule,
            timezone=entry.timezone or model.gateway.timezone,
            deliver=standing_text(str(named.get(entry.deliver, entry.deliver))),
        )
        for entry in model.cron
    )
