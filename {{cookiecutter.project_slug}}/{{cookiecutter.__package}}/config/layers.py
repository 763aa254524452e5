"""Put layers of settings on top of each other."""

from collections.abc import Mapping
from typing import Any

from .checks import SETTINGS, problem
from .kinds import ANY, Kind, kind_like
from .policy import NAME as POLICY
from .policy import problems as problems_of_policy


class Layers:
    """Layers of settings: the later one wins.

    Attributes:
        config: The settings.
        origin: The layer that each of them came from.
        types: The type of each setting that has one.
        given: The last layer, the mapping given to `create_app`.
        problems: What cannot be set, a line for each.
        warnings: What is probably a mistake.

    """

    def __init__(self) -> None:
        """Begin without a layer."""
        self.config: dict[str, Any] = {}
        self.origin: dict[str, str] = {}
        self.types = dict(SETTINGS)
        self.given: dict[str, Any] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def add_packaged(self, layer: str, settings: Mapping[str, Any]) -> None:
        """Add packaged settings; a setting that is not in the table gets its type."""
        self.add(layer, settings)
        for name, value in settings.items():
            if name not in SETTINGS and value is not None:
                self.types[name] = kind_like(value)

    def add(self, layer: str, settings: Mapping[str, Any]) -> None:
        """Add values that have a type of their own."""
        for name, value in settings.items():
            self.set(layer, name, value)

    def give(self, settings: Mapping[str, Any]) -> None:
        """Add to the last layer."""
        self.given.update(settings)
        self.add("create_app", settings)

    def add_texts(self, layer: str, texts: Mapping[str, str]) -> None:
        """Add texts, which are read by the types of the settings."""
        for name, text in texts.items():
            self.set(layer, name, self.type_of(name).read(text))

    def type_of(self, name: str) -> Kind:
        """Return the type of a setting; that of an item is the one of its value."""
        if "__" not in name:
            return self.types.get(name, ANY)
        value: Any = self.config
        for key in name.split("__"):
            value = value.get(key) if isinstance(value, dict) else None
        return ANY if value is None else kind_like(value)

    def set(self, layer: str, name: str, value: object) -> None:
        """Set `NAME`, or with `NAME__ITEM` an item of a setting that is a table."""
        *tables, last = name.split("__")
        if tables == [POLICY]:
            self.set(layer, POLICY, {last: value})
            return
        if name == POLICY:
            value = self.change_policy(layer, value)
        table: Any = self.config
        for key in tables:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                self.problems.append(f"{name} ({layer}): {key} must be a table")
                return
        if tables and not (kind := self.type_of(name)).accepts(value):
            self.problems.append(problem(name, value, layer, kind))
        table[last] = value
        self.origin[[*tables, last][0]] = layer

    def change_policy(self, layer: str, value: object) -> object:
        """Return the policy with the directives of a layer, the others unchanged.

        A layer that names one directive would otherwise remove the strict default of
        all others.
        """
        found = problems_of_policy(value)
        self.problems += [f"{POLICY} ({layer}): {problem}" for problem in found]
        before = self.config.get(POLICY)
        if isinstance(before, dict) and isinstance(value, dict):
            return {**before, **value}
        return value
