"""The methods of the assistant view."""

from tests.wire.slack.checks import Json, Refusal
from tests.wire.slack.requests import parsed
from tests.wire.slack.world import World

PROMPTS_MAX = 4


class Assistant:
    """What threads opened in the assistant view of a workspace are shown and called."""

    def __init__(self, world: World) -> None:
        self._world = world

    def set_prompts(self, arguments: Json) -> Json:
        """What a thread of the assistant view offers; at most four, each with both texts."""
        place, prompts = self._thread(arguments), parsed(arguments.get("prompts"))
        if not isinstance(prompts, list) or not 1 <= len(prompts) <= PROMPTS_MAX:
            raise Refusal("invalid_arguments")
        if not all(set(each) == {"title", "message"} and all(each.values()) for each in prompts):
            raise Refusal("invalid_arguments")
        self._world.prompts[place] = {each["title"]: each["message"] for each in prompts}
        return {}

    def set_title(self, arguments: Json) -> Json:
        """What a thread of the assistant view is called."""
        place, title = self._thread(arguments), str(arguments.get("title", ""))
        if not title.strip():
            raise Refusal("invalid_arguments")
        self._world.titles[place] = title
        return {}

    def _thread(self, arguments: Json) -> tuple[str, str]:
        place = (str(arguments.get("channel_id", "")), str(arguments.get("thread_ts", "")))
        if place not in self._world.assistant_threads:
            raise Refusal("invalid_thread_ts")
        return place
