"""Section ``monitor``: the pages of ``pynenc-pg monitor``, and who may see and do what there."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import split

#: Names of arguments that are likely to hold what nobody should read.
MASKED: Final = (
    "*password*",
    "*passwd*",
    "*secret*",
    "*token*",
    "*api_key*",
    "*apikey*",
    "*credential*",
    "authorization",
)


def _network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        message = f"{value!r} is no address and no network, as 10.0.0.7 or 10.0.0.0/8"
        raise ValueError(message) from None
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]", value):
        message = f"{value!r} is no name of a host without a port, as tasks.example.org"
        raise ValueError(message)
    return value.lower()


def _hash(value: str) -> str:
    if not re.fullmatch(r"scrypt\$\d+\$\d+\$\d+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+", value):
        message = "must be the hash of a password: pynenc-pg monitor --hash-password makes one"
        raise ValueError(message)
    return value


PasswordHash = Annotated[str, AfterValidator(_hash)]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(split)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(split)]


class MonitorConf(Section):
    """Where the pages are, who may see them, and what nobody sees."""

    section: ClassVar[str] = "monitor"

    #: The address to listen at. One that is not of this machine alone needs a way to log in.
    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    #: Another way to the database than ``postgres.dsn``, as that of a user with fewer rights.
    dsn: str | None = Field(default=None, repr=False)
    #: Hashes of the passwords of the two roles, or files that hold them.
    operator_password: PasswordHash | None = Field(default=None, repr=False)
    viewer_password: PasswordHash | None = Field(default=None, repr=False)
    operator_password_file: str | None = None
    viewer_password_file: str | None = None
    #: The header in which a proxy that has checked who somebody is says so, the proxies that are
    #: believed, and which of those people are operators; the others are viewers.
    proxy_user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    trusted_proxies: Networks = ()
    operators: Texts = ()
    #: What people on this machine may do where no way to log in is configured.
    local_role: Literal["operator", "viewer"] = "operator"
    #: The names by which the pages are reached, beside those of this machine.
    allowed_hosts: Hosts = ()
    #: People reach it by https, through a proxy: cookies go no other way.
    https: bool = False
    #: How long a login lasts.
    session_hours: float = Field(default=12.0, gt=0, le=8760)
    #: Arguments whose values nobody sees, wherever they stand in a value; patterns, in any case.
    mask_arguments: Texts = MASKED
    #: So many invocations at most are changed by one action.
    bulk_limit: int = Field(default=1000, ge=1, le=100_000)
