"""Which cameras look at a place."""

import msgspec
import pytest

from hub.media.cameras import MOST, cameras_of, watching
from hub.model import Device
from tests.unit.camera_devices import camera_device
from tests.unit.demo_devices import demo_devices


def camera(number: int, place: str, *sees: str) -> Device:
    made = camera_device(f"rtsp://10.0.0.{number}/live", f"cam-{number}", place, sees)
    return msgspec.structs.replace(made, id=9000 + number)


def at(place: str) -> Device:
    door = next(device for device in demo_devices() if device.code == "door-b1-u1")
    return msgspec.structs.replace(door, spec=door.spec.model_copy(update={"place": place}))


@pytest.mark.parametrize(("place", "seen_by"), [
    ("b1/u1", ["cam-1", "cam-2"]),  # its own place, then the place around it
    ("b1/u1/f03", ["cam-1"]),
    ("b1/u1/f03/0301", []),  # a lobby camera sees no home
    ("b1/u10", ["cam-2"]),  # no place begins with another's name by chance
    ("b1", ["cam-2"]),
    ("garden", ["cam-3"]),
    ("garden/pond/east", ["cam-3"]),
    ("gate-east", ["cam-3"]),
    ("plant", []),
])  # fmt: skip
def test_who_sees_what(place: str, seen_by: list[str]) -> None:
    cameras = [camera(1, "b1/u1"), camera(2, "b1"), camera(3, "gate-east", "garden")]
    assert [one.code for one in watching(cameras, at(place))] == seen_by


def test_the_nearest_four_and_never_itself() -> None:
    cameras = [camera(n, "b1") for n in (1, 2)] + [camera(n, "b1/u1") for n in (6, 5, 4, 3)]
    assert [one.code for one in watching(cameras, at("b1/u1"))] == ["cam-3", "cam-4", "cam-5", "cam-6"] and MOST == 4
    assert "cam-3" not in [one.code for one in watching(cameras, cameras[-1])]


def test_a_camera_of_another_community_sees_nothing_here() -> None:
    abroad = msgspec.structs.replace(camera(1, "b1/u1"), community_id=99)
    assert watching([abroad], at("b1/u1")) == []


def test_cameras_are_what_has_a_stream() -> None:
    assert cameras_of([*demo_devices(), one := camera(1, "b1")]) == [one]
