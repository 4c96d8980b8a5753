"""Which cameras look at a place."""

import msgspec
import pytest

from hub.media.cameras import MOST, Cameras
from hub.model import Device
from hub.vocabulary.rtsp import RtspAddress
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
    assert [one.code for one in Cameras(cameras).watching(at(place))] == seen_by


def test_the_nearest_four_and_never_itself() -> None:
    cameras = [camera(n, "b1") for n in (1, 2)] + [camera(n, "b1/u1") for n in (6, 5, 4, 3)]
    found = [one.code for one in Cameras(cameras).watching(at("b1/u1"))]
    assert found == ["cam-3", "cam-4", "cam-5", "cam-6"] and MOST == 4
    assert "cam-3" not in [one.code for one in Cameras(cameras).watching(cameras[-1])]


def test_a_camera_of_another_community_sees_nothing_here() -> None:
    abroad = msgspec.structs.replace(camera(1, "b1/u1"), community_id=99)
    assert Cameras([abroad]).watching(at("b1/u1")) == []


def test_cameras_are_what_has_a_stream() -> None:
    assert not Cameras(demo_devices()) and Cameras([*demo_devices(), camera(1, "b1")])


def test_among_many_it_says_what_looking_at_each_says() -> None:
    """What it says is what looking at each of them says, with many in one place, seen from many places."""
    cameras = [camera(n, f"b{n % 3}" + "/u1" * (n % 2), *(("b1", "b1/u1") if n % 5 == 0 else ())) for n in range(1, 90)]
    index = Cameras(cameras)
    for place in ("b0", "b1", "b1/u1", "b1/u1/f03", "b2/u1", "garden"):
        watched = at(place)
        found = [(away, one.code) for one in cameras if (away := distance(one, watched.place_path)) is not None]
        assert [one.code for one in index.watching(watched)] == [code for _, code in sorted(found)[:MOST]]


def distance(one: Device, place: str) -> int | None:
    address = one.spec.address
    assert isinstance(address, RtspAddress)
    if one.place_path == place:
        return 0
    if any(f"{place}/".startswith(f"{seen}/") for seen in address.sees):
        return 1
    return 2 if one.place_path == place.rpartition("/")[0] else None
