"""What can be wrong with a schedule."""


class ScheduleInvalid(ValueError):
    """A schedule is refused: show the text to whoever wrote it.

    `field` is `minute` to `weekday`, `interval`, `time`, or `schedule` for the whole; `value` is
    what stands there, cut where it is long.
    """

    def __init__(self, field: str, value: str, problem: str, fix: str) -> None:
        self.field = field
        self.value = value if len(value) <= 60 else f"{value[:57]}..."
        self.problem = f'{field} "{self.value}" {problem}' if value else f"the {field} {problem}"
        self.fix = fix
        super().__init__(f"{self.problem}; {fix}")
