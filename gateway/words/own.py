"""What is said about the words of people's own chats."""

from typing import Final

from gateway.words.phrase import Phrase

NOT_YOURS: Final = Phrase(
    en="Only owners can name another session than this one.",
    de="Nur Eigentümer können eine andere Sitzung als diese nennen.",
)
NOTHING: Final = Phrase(
    en="Nothing of this session is stored.",
    de="Von dieser Sitzung ist nichts gespeichert.",
)
EXPORT_USAGE: Final = Phrase(
    en="Write `{mark}export md`, for reading, or `{mark}export json`, for programs.",
    de="Schreib `{mark}export md`, zum Lesen, oder `{mark}export json`, für Programme.",
)
NO_DIRECT_CHAT: Final = Phrase(
    en="I can't write to you directly. Send me a direct message first; then again.",
    de="Ich kann dir nicht direkt schreiben. Schick mir zuerst eine Direktnachricht; dann nochmal.",
)
EXPORTED: Final = Phrase(
    en="The file holds the newest {count} messages of this session, what tools did among them.",
    de=(
        "Die Datei enthält die neuesten {count} Nachrichten dieser Sitzung, auch was Werkzeuge"
        " getan haben."
    ),
)
EXPORTED_APART: Final = Phrase(
    en="I have sent you a file with {count} messages in our direct chat.",
    de="Ich habe dir eine Datei mit {count} Nachrichten in unserem direkten Chat geschickt.",
)
FORGET_ASKS: Final = Phrase(
    en=(
        "This deletes what was said in this session and those before it in this chat ({count}"
        " messages), and what tools were given. What was decided and what it cost stays, as does"
        " what stands in the chat itself. To go on, write `{mark}forget{named} {code}`."
    ),
    de=(
        "Das löscht, was in dieser Sitzung und den früheren in diesem Chat gesagt wurde ({count}"
        " Nachrichten), und was Werkzeugen gegeben wurde. Was entschieden wurde und was es"
        " gekostet hat, bleibt, ebenso was im Chat selbst steht. Um fortzufahren, schreib"
        " `{mark}forget{named} {code}`."
    ),
)
FORGET_AGAIN: Final = Phrase(
    en=(
        "Nobody can bring it back. To delete it, write `{mark}forget{named} {code} {code}`;"
        " anything else leaves it as it is."
    ),
    de=(
        "Niemand kann es zurückholen. Um es zu löschen, schreib `{mark}forget{named} {code}"
        " {code}`; alles andere lässt es, wie es ist."
    ),
)
FORGOTTEN: Final = Phrase(
    en="Forgotten. The next message begins a fresh session.",
    de="Vergessen. Die nächste Nachricht beginnt eine neue Sitzung.",
)
