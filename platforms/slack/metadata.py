"""Pure: what our posts carry, so that they can be recognised: the nonce they were sent with.

Slack hands back the payload of metadata only where `include_all_metadata` asks for it or the app's
manifest declares its type; the type itself comes with every event. So the nonce stands in both.
Source: docs.slack.dev/messaging/message-metadata, python-slack-sdk issue 1501.
"""

from collections.abc import Mapping

from platforms.fields import Body, identifier, mapping, objects

_TYPE = "gatepost_"


def metadata_of(nonce: str) -> dict[str, object]:
    """The metadata of a post."""
    return {"event_type": f"{_TYPE}{nonce}", "event_payload": {"id": nonce}}


def nonce_of(message: Body, uploads: Mapping[str, str]) -> str | None:
    """The nonce one of our messages was posted with; `uploads` are nonces by file id."""
    metadata = mapping(message, "metadata")
    kind = identifier(metadata, "event_type") or ""
    if kind.startswith(_TYPE):
        return identifier(mapping(metadata, "event_payload"), "id") or kind.removeprefix(_TYPE)
    files = (identifier(file, "id") for file in objects(message, "files"))
    return next((uploads[file] for file in files if file is not None and file in uploads), None)
