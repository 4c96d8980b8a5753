"""Structured logs to stderr. No secrets, cards or plates: tracebacks are printed without local variables."""

import sys

import structlog


def configure_logging(log_format: str) -> None:
    """Structured logs to stderr: for people (console) or for machines (json)."""
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )  # fmt: skip
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if log_format == "console" else "iso", utc=False),
            structlog.processors.format_exc_info if log_format == "json" else _pass,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _pass(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
