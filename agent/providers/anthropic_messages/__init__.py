"""The `anthropic-messages` wire: Anthropic's Messages API and the gateways that speak it."""

from agent.providers.anthropic_messages.client import AnthropicMessages, MessagesEndpoint

__all__ = ["AnthropicMessages", "MessagesEndpoint"]
