"""Structured logs to stderr. No secrets, cards or plates: tracebacks are printed without local variables."""

import logging
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
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the stderr of now: it may have been exchanged
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


def _pass(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


class _Libraries(logging.Handler):
    """Warnings of libraries (job queue, web server, driver) as one line each, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        more = {"error": f"{type(error).__name__}: {str(error).strip()}"} if error else {}
        structlog.get_logger().log(record.levelno, _said(record).splitlines()[0], library=record.name, **more)


def _said(record: logging.LogRecord) -> str:
    """The message; of a job (procrastinate) without its arguments, which hold what devices said: cards, plates."""
    job = getattr(record, "job", None)
    message = record.getMessage()
    return message.replace(job["call_string"], f"{job['task_name']}[{job['id']}]") if isinstance(job, dict) else message
