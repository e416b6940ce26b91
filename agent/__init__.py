"""The conversation runtime: turns, models, tools. Knows nothing of chats."""
