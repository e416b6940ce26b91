"""The `openai-chat` wire: OpenAI's chat completions and the many servers that speak them."""

from agent.providers.openai_chat.client import ChatEndpoint, OpenAIChat

__all__ = ["ChatEndpoint", "OpenAIChat"]
