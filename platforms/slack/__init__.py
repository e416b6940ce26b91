"""Slack: Socket Mode or signed HTTP events in, the Web API out."""
