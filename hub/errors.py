"""The errors that cross rooms. The docstring of each is what it means to a person."""


class HubError(Exception):
    """Something the hub can name went wrong."""


class DriverError(HubError):
    """A driver could not do its work."""


class Unreachable(DriverError):
    """The device or broker does not answer now; trying again makes sense."""


class OutcomeUnknown(Unreachable):
    """It was sent, and nobody can say whether it arrived. Never to be sent again by itself."""


class Rejected(DriverError):
    """The device answered and said no (a Modbus exception, a refused subscription)."""


class Expired(Rejected):
    """A command's time to live was over before its turn; nothing was sent."""


class Misconfigured(DriverError):
    """The site or profile is wrong; trying again is useless until it is changed."""


class BadFrame(HubError):
    """Bytes from a device that cannot be understood. `reason` is one of the dead-letter reasons."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Refused(HubError):
    """A request of a person or program that is not allowed or makes no sense. `code` is stable."""

    def __init__(self, code: str, detail: str, status: int = 409) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
