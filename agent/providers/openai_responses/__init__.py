"""The `openai-responses` wire: OpenAI's Responses API, ChatGPT's codex backend, xAI and others."""

from agent.providers.openai_responses.client import OpenAIResponses, ResponsesEndpoint

__all__ = ["OpenAIResponses", "ResponsesEndpoint"]
