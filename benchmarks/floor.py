"""The floor: the bare SDKs with nothing in between. One message in, one model call, one send.

No journal, no session, no streaming to the chat, no limits, no recovery. Run as a process:
`python -m benchmarks.floor TELEGRAM_URL TOKEN MODEL_URL`.
"""

import sys
from typing import Any

from openai import AsyncOpenAI
from telegram import Update
from telegram.ext import Application, MessageHandler, filters


def main() -> None:
    """Serve until killed."""
    telegram_url, token, model_url = sys.argv[1:4]
    client = AsyncOpenAI(base_url=model_url, api_key="sk-loopback", max_retries=0)

    async def answer(update: Update, _context: Any) -> None:
        if update.message is None or update.message.text is None:
            return
        stream = await client.chat.completions.create(
            model="loopback-1",
            messages=[{"role": "user", "content": update.message.text}],
            stream=True,
        )
        words: list[str] = []
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                words.append(chunk.choices[0].delta.content)
        await update.message.reply_text("".join(words))

    application = (
        Application.builder()
        .token(token)
        .base_url(f"{telegram_url}/bot")
        .connection_pool_size(256)
        .pool_timeout(60)
        .concurrent_updates(256)
        .build()
    )
    application.add_handler(MessageHandler(filters.TEXT, answer))
    application.run_polling(allowed_updates=["message"])


if __name__ == "__main__":
    main()
