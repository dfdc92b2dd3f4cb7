"""What the configuration says about the monitor, read once and checked as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc_pg.conf.config_monitor import MonitorConf
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.monitor import passwords

if TYPE_CHECKING:
    from pynenc_pg.conf.config_pynenc import PynencConf

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The monitor of one app."""

    app_id: str
    dsn: str
    schema: str
    conf: MonitorConf
    signed: bool  # calls are signed: only a process with the key can make one
    operator_password: str | None
    viewer_password: str | None

    @property
    def by_password(self) -> bool:
        """Whether people log in with a password."""
        return bool(self.operator_password or self.viewer_password)

    @property
    def by_proxy(self) -> bool:
        """Whether a proxy says who they are."""
        return self.conf.proxy_user_header is not None

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which the pages may be asked for."""
        own = f"[{self.conf.host}]" if ":" in self.conf.host else self.conf.host
        return _LOCAL_NAMES | {own.lower(), *self.conf.allowed_hosts}

    def trusts(self, address: str) -> bool:
        """Whether what comes from there is of a proxy that is believed."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in ip_network(one) for one in self.conf.trusted_proxies)


def read_settings(conf: PynencConf) -> Settings:
    """Read the settings of an app.

    Raises:
        ConfigError: there is no database, a way to log in is missing or incomplete.
    """
    monitor = conf.monitor
    dsn = monitor.dsn or conf.postgres.dsn
    if conf.store != "postgres" or not dsn:
        message = (
            f"app {conf.app_id!r} keeps everything in the memory of each process: there is nothing "
            "to look at from here. Configure a database (PYNENC__POSTGRES__DSN)"
        )
        raise ConfigError(message)
    settings = Settings(
        app_id=conf.app_id,
        dsn=dsn,
        schema=conf.postgres.schema_name,
        conf=monitor,
        signed=bool(conf.serializer_signing_key),
        operator_password=_password(monitor, "operator"),
        viewer_password=_password(monitor, "viewer"),
    )
    _check(settings)
    return settings


def _password(conf: MonitorConf, role: str) -> str | None:
    given: str | None = getattr(conf, f"{role}_password")
    file: str | None = getattr(conf, f"{role}_password_file")
    if file is None:
        return given
    key = f"monitor.{role}_password_file"
    if given is not None:
        message = f"{key} and monitor.{role}_password are both set: leave one of them out"
        raise ConfigError(message)
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        message = f"{key} = {file!r} cannot be read: {error}"
        raise ConfigError(message) from error
    return str(MonitorConf.checked(f"{role}_password", text, f"file {file}", key=key)[1])


def _check(settings: Settings) -> None:
    conf = settings.conf
    for hashed in filter(None, (settings.operator_password, settings.viewer_password)):
        try:
            passwords.fits("", hashed)
        except (ValueError, OverflowError) as error:
            message = f"a hash in monitor.*_password cannot be used: {error}"
            raise ConfigError(message) from error
    if settings.by_proxy != bool(conf.trusted_proxies):
        message = (
            "monitor.proxy_user_header and monitor.trusted_proxies belong together: the header is "
            "believed from those addresses alone"
        )
        raise ConfigError(message)
    if not (is_local(conf.host) or settings.by_password or settings.by_proxy):
        message = (
            f"monitor.host = {conf.host!r} can be reached from other machines, and nobody would "
            "have to say who they are: set monitor.operator_password (pynenc-pg monitor "
            "--hash-password makes the hash), or monitor.proxy_user_header and "
            "monitor.trusted_proxies, or listen at 127.0.0.1"
        )
        raise ConfigError(message)


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
