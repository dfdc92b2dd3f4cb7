"""What every section of the configuration can do: check its settings, remember their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from pynenc_pg.conf.wording import HIDDEN, allowed, unknown_key, wrong_value
from pynenc_pg.exceptions import ConfigError


class Section(BaseModel):
    """A group of settings. A field with ``repr=False`` holds a secret, which is shown nowhere."""

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=True,
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    #: What stands before the dot in the names of its settings; nothing at the top.
    section: ClassVar[str] = ""
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    if not TYPE_CHECKING:  # or mypy would take any attribute

        def __setattr__(self, name: str, value: Any) -> None:
            """Set a field; it comes from ``code`` now.

            Raises:
                ConfigError: there is no such setting, or it cannot have this value.
            """
            if name.startswith("_"):
                super().__setattr__(name, value)
                return
            field, value = self.checked(name, value, "code")
            if self.model_config.get("frozen"):
                message = (
                    f"{self.key(field)} cannot be set any more: say it in the decorator, or set "
                    "app.conf.task as a whole before the task is defined"
                )
                raise ConfigError(message)
            super().__setattr__(field, value)
            self._sources.pop(field, None)

    @classmethod
    def checked(
        cls, name: str, value: Any, source: str, *, key: str = "", elsewhere: Iterable[str] = ()
    ) -> tuple[str, Any]:
        """Return the field that a name stands for, and the value in the field's type.

        ``key`` is what the setting is called in errors, unless by its section and name;
        ``elsewhere`` are keys of other sections that may have been meant.

        Raises:
            ConfigError: no such setting, or not this value.
        """
        field = cls.fields_by_name().get(name, name)
        key = key or cls.key(field)
        if field not in cls.model_fields:
            known = [cls.key(each).rpartition(".")[2] for each in cls.model_fields]
            raise ConfigError(unknown_key(key, source, known=known, elsewhere=elsewhere))
        inner = cls.model_fields[field].annotation
        if isinstance(inner, type) and issubclass(inner, Section) and isinstance(value, Mapping):
            for each in value:
                inner.checked(each, value[each], source)
            return field, value
        try:
            return field, getattr(cls.model_validate({field: value}), field)
        except ValidationError as error:
            shown = HIDDEN if cls.secret(field) else value
            # Not "from error": what pydantic says may show a secret.
            raise ConfigError(wrong_value(key, shown, allowed(error), source)) from None

    @classmethod
    def fields_by_name(cls) -> dict[str, str]:
        """Return the fields by the names one may use for them: with an alias it is two."""
        fields = cls.model_fields.items()
        aliases = {field.alias: name for name, field in fields if field.alias}
        return aliases | {name: name for name, _ in fields}

    @classmethod
    def key(cls, field: str) -> str:
        """Return the whole name of a setting, as ``runner.poll``."""
        name = (cls.model_fields[field].alias if field in cls.model_fields else None) or field
        return f"{cls.section}.{name}" if cls.section else name

    @classmethod
    def secret(cls, field: str) -> bool:
        """Whether the value must not be shown."""
        return not cls.model_fields[field].repr

    def source(self, field: str) -> str:
        """Return where a value comes from: ``code``, ``default``, a file or a variable."""
        written = "code" if field in self.model_fields_set else "default"
        return self._sources.get(field, written)

    def remember(self, sources: Mapping[str, str]) -> None:
        """Note where the values of fields came from."""
        self._sources.update(sources)
