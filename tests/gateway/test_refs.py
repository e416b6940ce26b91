"""Accounts, chats and people as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import refs
from platforms.events import Account, Author, ChatRef, MessageRef, PlatformName

IDS = st.text("ABCDEFabcdef0123456789.-_", min_size=1, max_size=12)
THREADS = st.none() | IDS
CHATS = st.one_of(
    st.builds(
        ChatRef,
        account=st.builds(
            Account, platform=st.sampled_from(["telegram", "web", "terminal"]), id=IDS
        ),
        chat_id=IDS,
        thread_id=THREADS,
    ),
    st.builds(
        ChatRef,
        account=st.builds(Account, platform=st.sampled_from(["slack", "discord"]), id=IDS),
        space=IDS,
        chat_id=IDS,
        thread_id=THREADS,
    ),
    st.builds(
        ChatRef,
        account=st.builds(Account, platform=st.just("discord"), id=IDS),
        chat_id=IDS,
    ),
)


@given(chat=CHATS)
def test_a_chat_comes_back_as_it_was(chat: ChatRef) -> None:
    """Written and read with its account, a chat is the same chat."""
    assert refs.chat_from(refs.chat_text(chat), chat.account) == chat


@given(account=st.builds(Account, platform=st.sampled_from(["slack", "telegram"]), id=IDS))
def test_an_account_comes_back_as_it_was(account: Account) -> None:
    """Written and read, an account is the same account."""
    assert refs.account_from(refs.account_text(account)) == account


@pytest.mark.parametrize("text", ["", "irc:1", "77", "Telegram:1"])
def test_what_is_no_account(text: str) -> None:
    """An unknown platform is refused by name."""
    with pytest.raises(ValueError, match="names no platform"):
        refs.account_from(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "telegram:",
        "slack:T1/C1",
        "telegram:1//2",
        "telegram:/1",
        "telegram:1/",
        "telegram:1/2/3",
    ],
)
def test_what_is_no_chat_of_telegram(text: str) -> None:
    """Another platform's chat, empty parts and too many parts are refused."""
    with pytest.raises(ValueError, match="chat"):
        refs.chat_from(text, Account(platform="telegram", id="77"))


@pytest.mark.parametrize(
    ("author", "platform", "text", "ident"),
    [
        (Author(id="U1", space="T1"), "slack", "slack:T1/U1", "U1"),
        (Author(id="U1"), "slack", "slack:U1", "U1"),
        (Author(id="42", space="9"), "discord", "discord:42", "42"),
        (Author(id="1001"), "telegram", "telegram:1001", "1001"),
        (Author(id="ann"), "web", "web:ann", "ann"),
        (Author(id="1000"), "terminal", "terminal:1000", "1000"),
    ],
)
def test_people(author: Author, platform: PlatformName, text: str, ident: str) -> None:
    """A person is written by id alone, and the platform's own id is read out of it."""
    assert refs.person_text(author, platform) == text
    assert refs.person_id(text) == ident


def test_a_message_is_its_chat_and_id() -> None:
    """The form people copy."""
    chat = ChatRef(
        account=Account(platform="slack", id="A1"), space="T1", chat_id="C1", thread_id="170.1"
    )
    assert refs.message_text(MessageRef(chat=chat, message_id="171.2")) == "slack:T1/C1/170.1/171.2"


@pytest.mark.parametrize(
    ("chat", "forms"),
    [
        ("telegram:-100200/7", ("telegram:-100200/7",)),
        ("slack:T1/C1", ("slack:T1/C1",)),
        ("discord:9/42", ("discord:9/42", "discord:42")),
        ("discord:9/42/77", ("discord:9/42/77",)),
        ("discord:42", ("discord:42",)),
    ],
)
def test_a_chat_is_known_as_configuration_may_write_it(chat: str, forms: tuple[str, ...]) -> None:
    """A Discord channel with its guild and without."""
    assert refs.written_as(chat) == forms
