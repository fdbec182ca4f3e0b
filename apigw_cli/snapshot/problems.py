"""What is wrong with a configuration, gathered in one pass."""

from __future__ import annotations

from apigw_cli.errors import InputError


class Problems(list[InputError]):
    """In the order they were found; raised together by `config.decode.raise_problems`."""

    def __init__(self) -> None:
        super().__init__()
        self._reported: set[tuple[str, str]] = set()

    def once(self, kind: str, what: str, problem: InputError) -> None:
        """Note what several routes meet, at the first of them."""
        if (kind, what) not in self._reported:
            self._reported.add((kind, what))
            self.append(problem)
