"""Section ``client_data_store``: what is large is stored once, beside the calls that need it."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from pynenc_pg.conf.section import Section

_MIB: Final = 2**20


class ClientDataStoreConf(Section):
    """When a value is large, and how much of what was read is kept. Sizes are bytes."""

    section: ClassVar[str] = "client_data_store"

    #: Leave everything in the rows of its calls. What was stored before is read all the same.
    disable_client_data_store: bool = False
    #: Serialised values of this size or more are stored beside their rows.
    min_size_to_cache: int = Field(default=1024, ge=128)
    #: Those beyond it stay in the rows after all; 0: however large.
    max_size_to_cache: int = Field(default=0, ge=0)
    #: From this size on a line in the log says so, once per task and argument; 0: never.
    warn_threshold: int = Field(default=10_000_000, ge=0)
    #: Store them compressed (zstd) where that makes them smaller.
    compression_enabled: bool = True
    #: Values that a process keeps, those used last; 0: none.
    local_cache_size: int = Field(default=1000, ge=0)
    #: What these may occupy together.
    local_cache_bytes: int = Field(default=128 * _MIB, ge=0)
    #: What the processes of one runner keep for each other on disk; 0: nothing.
    shared_cache_bytes: int = Field(default=1024 * _MIB, ge=0)
