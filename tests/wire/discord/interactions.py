"""Interactions: presses, forms and commands on their way to the bot, and its one first answer.

Source: Discord documentation, "Receiving and Responding to Interactions": the first answer within
3 s, follow-ups for 15 minutes, no bot token on either. A form can't be answered by a form; where
it was not opened from a message, there is none to update.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.wire.discord import rules
from tests.wire.discord.call import NOTHING, Call, Reply
from tests.wire.discord.channels import Channels
from tests.wire.discord.components import check_modal, filled_in
from tests.wire.discord.payloads import channel_json, member_json, message_json, user_json
from tests.wire.discord.rules import ApiError
from tests.wire.discord.world import EPHEMERAL, Channel, Json, Message, User, World

PING, MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 1, 4, 5, 6, 7, 8, 9
Kind = Literal[2, 3, 5]
"""A command, a press, a form that was sent."""

FIRST_ANSWER_S = 3.0
TOKEN_LIFE_S = 15 * 60.0


@dataclass(slots=True, kw_only=True, eq=False)
class Interaction:
    """One act of a person; `answer` is the callback type the bot gave, None so far.

    `modal` is the form it was answered with, as long as that is open before the person.
    """

    id: int
    token: str
    kind: Kind
    user: User
    channel: Channel
    data: Json
    at: float
    message: Message | None = None
    answer: int | None = None
    original: Message | None = None
    modal: Json | None = None
    followups: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Interactions:
    """The desk of interactions: made by people, answered by the bot."""

    world: World
    channels: Channels
    application_id: int
    now: Callable[[], float]
    all: list[Interaction] = field(default_factory=list)
    commands: list[Json] = field(default_factory=list)

    def open(
        self,
        *,
        kind: Kind,
        user: User,
        channel: Channel,
        data: Json,
        message: Message | None = None,
    ) -> Interaction:
        """Starts an interaction; its clock runs from now."""
        interaction = Interaction(
            id=self.world.ids.next(),
            token=secrets.token_urlsafe(96),
            kind=kind,
            user=user,
            channel=channel,
            data=data,
            message=message,
            at=self.now(),
        )
        self.all.append(interaction)
        return interaction

    def press(self, message: Message, user: User, custom_id: str) -> Interaction:
        """A button; it must be there to be pressed."""
        if custom_id not in message.buttons.values():
            raise AssertionError(f"no such button: {custom_id!r} in {message.buttons}")
        data: Json = {"custom_id": custom_id, "component_type": 2, "id": 2}
        return self.open(kind=3, user=user, channel=message.channel, data=data, message=message)

    def choose(self, message: Message, user: User, value: str) -> Interaction:
        """One option of a menu; it must be there to be chosen."""
        menus = [name for name, options in message.menus.items() if value in options.values()]
        if not menus:
            raise AssertionError(f"no such option: {value!r} in {message.menus}")
        data: Json = {"custom_id": menus[0], "component_type": 3, "values": [value], "id": 2}
        return self.open(kind=3, user=user, channel=message.channel, data=data, message=message)

    def send_form(self, opened_by: Interaction, values: Mapping[str, str]) -> Interaction:
        """A form that is open before the person who did that; it closes."""
        if opened_by.modal is None:
            raise AssertionError("no form is open")
        data = filled_in(opened_by.modal, values)
        opened_by.modal = None
        return self.open(
            kind=5,
            user=opened_by.user,
            channel=opened_by.channel,
            data=data,
            message=opened_by.message,
        )

    def json(self, interaction: Interaction) -> Json:
        """The body of INTERACTION_CREATE."""
        channel, guild = interaction.channel, interaction.channel.guild
        body: Json = {
            "id": str(interaction.id),
            "application_id": str(self.application_id),
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": str(channel.id),
            "channel": channel_json(channel),
            "locale": interaction.user.locale,
            "app_permissions": "1071698660929",
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(guild.id) if guild is not None else "0"},
            "context": 0 if guild is not None else 1,
            "attachment_size_limit": rules.FILE_MAX,
        }
        if guild is not None:
            member = member_json(guild, interaction.user, with_user=True)
            body["member"] = {**member, "permissions": "1071698660929"}
            body["guild_id"] = str(guild.id)
            body["guild_locale"] = "en-US"
            body["guild"] = {"id": str(guild.id), "locale": "en-US", "features": []}
        else:
            body["user"] = user_json(interaction.user)
        if interaction.message is not None:
            body["message"] = self.channels.json(interaction.message)
        return body

    # Handlers.

    async def overwrite_commands(self, call: Call) -> Reply:
        self._own_application(call)
        self.commands = [
            {
                "type": 1,
                "default_member_permissions": None,
                "nsfw": False,
                **command,
                "id": str(self.world.ids.next()),
                "application_id": str(self.application_id),
                "version": str(self.world.ids.next()),
            }
            for command in rules.check_commands(call.body)
        ]
        return Reply(body=self.commands)

    async def list_commands(self, call: Call) -> Reply:
        self._own_application(call)
        if call.query.get("with_localizations") == "true":
            return Reply(body=self.commands)
        left_out = "description_localizations"
        told = [{k: v for k, v in each.items() if k != left_out} for each in self.commands]
        return Reply(body=told)

    async def callback(self, call: Call) -> Reply:
        interaction = self._by_id(call)
        body = call.form
        kind = body.get("type")
        data = body.get("data") or {}
        rules.check_files(call.files, call.request_bytes)
        if not isinstance(kind, int) or kind not in self._allowed(interaction):
            raise rules.invalid("type", "BASE_TYPE_CHOICES", f"callback type {kind} not allowed")
        if interaction.answer is not None:
            raise ApiError(rules.ALREADY_ACKNOWLEDGED)
        await self._apply(interaction, kind, data, call)
        interaction.answer = kind
        if call.query.get("with_response") not in {"1", "true", "True"}:
            return NOTHING
        return Reply(body=self._resource(interaction, kind))

    async def _apply(self, interaction: Interaction, kind: int, data: Json, call: Call) -> None:
        match kind:
            case 4:
                interaction.original = await self._speak(interaction, data, call)
            case 5:
                interaction.original = await self._speak(interaction, data, call, thinking=True)
            case 6:
                interaction.original = interaction.message
            case 7:
                assert interaction.message is not None
                version = self.channels.revised(interaction.message, data)
                await self.channels.revise(interaction.message, version)
                interaction.original = interaction.message
            case 9:
                interaction.modal = check_modal(data)
            case _:
                pass

    async def create_followup(self, call: Call) -> Reply:
        interaction = self._by_token(call)
        rules.check_files(call.files, call.request_bytes)
        if interaction.original is not None and interaction.original.thinking:
            await self._settle(interaction.original, call.form)
            message = interaction.original
        else:
            message = await self._speak(interaction, call.form, call)
            interaction.followups.append(message)
        if call.query.get("wait") in {"0", "false"}:
            return NOTHING
        return Reply(body=self.channels.json(message))

    async def get_followup(self, call: Call) -> Reply:
        return Reply(body=self.channels.json(self._followup(call)))

    async def edit_followup(self, call: Call) -> Reply:
        message = self._followup(call)
        if message.thinking:
            await self._settle(message, call.form)
        else:
            await self.channels.revise(message, self.channels.revised(message, call.form))
        return Reply(body=self.channels.json(message))

    async def delete_followup(self, call: Call) -> Reply:
        await self.channels.remove(self._followup(call))
        return NOTHING

    # Inner steps.

    def _own_application(self, call: Call) -> None:
        if call.path["application"] != str(self.application_id):
            raise ApiError(rules.UNKNOWN_APPLICATION)

    def _by_id(self, call: Call) -> Interaction:
        for interaction in self.all:
            if str(interaction.id) == call.path["interaction"]:
                if interaction.token != call.path["token"]:
                    break
                if interaction.answer is None and self.now() - interaction.at > FIRST_ANSWER_S:
                    break
                return interaction
        raise ApiError(rules.UNKNOWN_INTERACTION)

    def _by_token(self, call: Call) -> Interaction:
        if call.path["application"] != str(self.application_id):
            raise ApiError(rules.UNKNOWN_WEBHOOK)
        for interaction in self.all:
            if interaction.token == call.path["token"]:
                if self.now() - interaction.at > TOKEN_LIFE_S:
                    break
                if interaction.answer is None:
                    raise ApiError(rules.UNKNOWN_WEBHOOK)
                return interaction
        raise ApiError(rules.INVALID_WEBHOOK_TOKEN)

    def _followup(self, call: Call) -> Message:
        interaction = self._by_token(call)
        wanted = call.path["message"]
        if wanted == "@original":
            found = interaction.original
        else:
            found = next((m for m in interaction.followups if str(m.id) == wanted), None)
        if found is None or found.deleted:
            raise ApiError(rules.UNKNOWN_MESSAGE)
        return found

    @staticmethod
    def _allowed(interaction: Interaction) -> set[int]:
        allowed = {MESSAGE, DEFERRED_MESSAGE}
        if interaction.message is not None:
            allowed |= {DEFERRED_UPDATE, UPDATE}
        return allowed if interaction.kind == 5 else allowed | {MODAL}

    async def _speak(
        self, interaction: Interaction, body: Json, call: Call, *, thinking: bool = False
    ) -> Message:
        version = self.channels.version(interaction.channel, body, replied=None)
        if not version.content and not call.files and not thinking:
            raise ApiError(rules.EMPTY_MESSAGE)
        message = Message(
            id=self.world.ids.next(),
            channel=interaction.channel,
            author=self.world.bot,
            history=[version],
            files=call.files,
            private_to=interaction.user if version.flags & EPHEMERAL else None,
            webhook=self.application_id,
            thinking=thinking,
        )
        await self.channels.publish(message)
        return message

    async def _settle(self, message: Message, body: Json) -> None:
        """The first words after "thinking" take its place; it stays as private as it was."""
        version = self.channels.version(message.channel, body, replied=None)
        if not version.content:
            raise ApiError(rules.EMPTY_MESSAGE)
        message.thinking = False
        await self.channels.revise(message, version)

    def _resource(self, interaction: Interaction, kind: int) -> Json:
        original = interaction.original
        private = original is not None and original.private_to is not None
        answer: Json = {
            "interaction": {
                "id": str(interaction.id),
                "type": interaction.kind,
                "response_message_loading": kind == DEFERRED_MESSAGE,
                "response_message_ephemeral": private,
            }
        }
        if original is not None:
            answer["interaction"]["response_message_id"] = str(original.id)
        if kind in {MESSAGE, UPDATE} and original is not None:
            answer["resource"] = {
                "type": kind,
                "message": message_json(self.world, original, files_url=self.channels.files_url()),
            }
        return answer
