"""What was taken and is not recorded yet: a note for one attempt of one delivery, whatever the folder is like."""

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from modules.notifications.told import Told

NOW = datetime(2026, 11, 30, 4, 0, 0, 123457, tzinfo=UTC)
DAY = timedelta(days=1)


def delivery(uid: UUID | None = None, at: datetime = NOW) -> dict[str, Any]:
    return {"uid": uid or uuid4(), "started_at": at}


def test_a_note_outlives_the_hub_and_is_gone_once_recorded(tmp_path: Path):
    one, other = delivery(), delivery()
    Told(tmp_path / "data/told").note([one, other])
    after = Told(tmp_path / "data/told")
    assert after.has(one) and after.has(other) and not after.has(delivery())
    after.forget([one])
    after.forget([one])
    assert not after.has(one) and after.has(other)


def test_it_is_for_one_attempt_only(tmp_path: Path):
    """A delivery that is sent anew counts its attempts from 0 again; when it began is never the same."""
    told, one = Told(tmp_path), delivery()
    told.note([one])
    assert not told.has(delivery(one["uid"], NOW + timedelta(microseconds=1)))


def test_what_nobody_came_back_for_goes_and_what_is_not_ours_stays(tmp_path: Path):
    told, old, young = Told(tmp_path), delivery(at=NOW - 8 * DAY), delivery(at=NOW - 6 * DAY)
    told.note([old, young])
    foreign = ["passwd", f"{'0' * 32}.", f"{'0' * 32}.-1", f"{'g' * 32}.1", f"{'0' * 32}.{'9' * 200}", "\n.1"]
    for name in foreign:
        (tmp_path / name).write_bytes(b"\0{]\xff" * 1000)
    (tmp_path / f"{'0' * 32}.2").mkdir()
    told.prune(NOW)
    assert not told.has(old) and told.has(young)
    assert {path.name for path in tmp_path.iterdir()} > set(foreign)


def test_a_full_disk_stops_nobody_and_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told, one = Told(tmp_path), delivery()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr("modules.notifications.told.os.open", full)
            for _ in range(3):
                told.note([one])
                told.forget([one])
        assert [log["log_level"] for log in logs] == ["warning"] and not told.has(one)
        told.note([one])
        assert [log["log_level"] for log in logs] == ["warning", "info"] and told.has(one)


@pytest.mark.parametrize("wrong", ["a file", "a broken link"])
def test_a_folder_that_is_none_stops_nobody(tmp_path: Path, wrong: str):
    folder = tmp_path / "told"
    if wrong == "a file":
        folder.write_text("hello")
    else:
        folder.symlink_to(tmp_path / "nowhere/at/all")
    told, one = Told(folder), delivery()
    with capture_logs() as logs:
        told.note([one])
        assert not told.has(one)
        told.forget([one])
        told.prune(NOW)
    assert len(logs) == 1 and str(folder) in logs[0]["error"]
