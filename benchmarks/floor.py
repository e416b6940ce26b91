"""The floor: the bare SDKs with nothing in between. One message in, one model call, one send.

No journal, no session, no streaming to the chat, no limits, no recovery. A message that wants
work gets a button, and its press begins the work at once, whoever pressed. Run as a process:
`python -m benchmarks.floor TELEGRAM_URL TOKEN MODEL_URL`.
"""

import sys
import time
from typing import Any

from openai import AsyncOpenAI
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import Application, CallbackQueryHandler, MessageHandler, filters


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

    async def ask(update: Update, _context: Any) -> None:
        if update.message is not None:
            keys = [[InlineKeyboardButton("Approve", callback_data="yes")]]
            await update.message.reply_text("May it run?", reply_markup=InlineKeyboardMarkup(keys))

    async def work(update: Update, _context: Any) -> None:
        began = time.monotonic()
        if update.callback_query is not None:
            await update.callback_query.answer()
            await update.callback_query.edit_message_text(f"began {began} END.")

    application = (
        Application.builder()
        .token(token)
        .base_url(f"{telegram_url}/bot")
        .connection_pool_size(256)
        .pool_timeout(60)
        .concurrent_updates(256)
        .build()
    )
    application.add_handler(MessageHandler(filters.Regex(r"^do "), ask))
    application.add_handler(MessageHandler(filters.TEXT, answer))
    application.add_handler(CallbackQueryHandler(work))
    application.run_polling(allowed_updates=["message", "callback_query"])


if __name__ == "__main__":
    main()
