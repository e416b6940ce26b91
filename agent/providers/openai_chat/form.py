"""Pure: how one chat-completions endpoint wants its requests, by its address and model."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

CapField = Literal["max_completion_tokens", "max_tokens"]
ReasoningReplay = Literal["never", "in_turn", "always"]
"""Which of an endpoint's own thoughts go back to it: none, those since a person last spoke, all."""

_OPENAI = ("openai.com", "openai.azure.com")
_DEEPSEEK = ("deepseek.com",)
_MOONSHOT = ("moonshot.ai", "moonshot.cn")
_ZHIPU = ("z.ai", "bigmodel.cn")
_OPENROUTER = ("openrouter.ai",)
_MISTRAL = ("mistral.ai",)
_MISTRAL_MODELS = ("mistral", "mixtral", "ministral", "magistral", "devstral", "codestral")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatForm:
    """What differs between endpoints that speak the same protocol.

    `omit` names fields that are left out. `filler`: every reply that carries no thought of the
    endpoint's own gets an empty one. `nine`: call ids have exactly nine letters and digits.
    `switch`: the field `thinking` turns thought off.
    """

    cap_field: CapField = "max_tokens"
    cache_key: bool = False
    omit: frozenset[str] = frozenset()
    images: bool = True
    reasoning_replay: ReasoningReplay = "never"
    filler: bool = False
    nine: bool = False
    switch: bool = False


def form_for(base_url: str, model: str) -> ChatForm:
    """What is known of an endpoint.

    DeepSeek once refused thoughts that came back; it now wants every reply to have one as soon as
    the request has tools, and ignores them otherwise. A reply of another model then needs
    something in the field, and the empty string is refused. Moonshot asks for the same of replies
    with calls. OpenRouter passes `reasoning_details` on to whoever wrote them.
    Source: api-docs.deepseek.com/guides/thinking_mode; platform.moonshot.ai/docs/guide
    /use-kimi-k2-thinking-model; openrouter.ai/docs/use-cases/reasoning-tokens;
    NousResearch/hermes-agent#17341 for the filler.

    Mistral takes call ids of nine letters and digits alone, its models' templates elsewhere too.
    Source: nearai/ironclaw#1241, vllm-project/vllm#9019.
    """
    host = urlsplit(base_url).hostname or ""
    thinks = _is(host, _DEEPSEEK + _MOONSHOT)
    official = host == "api.openai.com"
    return ChatForm(
        cap_field="max_completion_tokens" if official or _is(host, _OPENAI) else "max_tokens",
        cache_key=official,
        reasoning_replay="always" if thinks or _is(host, _OPENROUTER) else "never",
        filler=thinks,
        nine=_is(host, _MISTRAL) or any(name in model.lower() for name in _MISTRAL_MODELS),
        switch=thinks or _is(host, _ZHIPU),
    )


def _is(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == each or host.endswith("." + each) for each in domains)
