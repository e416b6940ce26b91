"""Loopback servers that speak each platform's and provider's protocol."""
