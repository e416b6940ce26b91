"""Chat vocabulary and adapters: Slack, Discord, Telegram, the web page, the terminal."""
