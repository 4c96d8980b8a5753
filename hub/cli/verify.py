"""`hub verify`: did the hub store exactly what really happened?"""

from pathlib import Path

from hub.truth import read_truth
from hub.verify.compare import compare
from hub.verify.report import Report
from hub.verify.stored import read_stored, span


def verify(conninfo: str, truth: Path, community: str) -> Report:
    """Compare a truth file with the store. FileNotFoundError, ValueError (a broken file), psycopg.Error."""
    truths = list(read_truth(truth))
    since, until = span(truths)
    return compare(truths, read_stored(conninfo, community, since, until))
