"""Reports: how a module, or the hub itself, speaks for a device without a wire. `put` is the whole of it."""

from hub.reports.outbox import Reports, put
from hub.reports.own import put_own

__all__ = ["Reports", "put", "put_own"]
