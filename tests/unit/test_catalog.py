"""The configuration that comes with the program, every way to be wrong, and what is built from it."""

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.catalog.devices import LocalIds, build_devices, by_code, on_bus, silent_after
from hub.catalog.load import Catalog, load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.schema import render_schemas
from hub.cli.check import check
from hub.cli.docs import docs, render_reference
from hub.vocabulary.modbus import ModbusAddress, ModbusBus
from rules.plugin import RulesPlugin

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/cases/catalog"
SECRET = {"HUB_TEST_PASSWORD": "s3cret-word"}
BASE_FILES = sorted(path.relative_to(CASES / "base").as_posix() for path in (CASES / "base").rglob("*.yaml"))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog([packaged_config()], {})


def test_the_demo_is_the_community_we_tell_of(catalog: Catalog) -> None:
    site = catalog.sites["demo"]
    rooms = [place for place in site.places if place.kind == "room"]
    meters = [device for device in site.devices if device.profile == "heyue-em300"]
    assert (len(rooms), len(meters), len(site.devices)) == (200, 200, 437)
    assert {place.path for place in rooms} == {device.place for device in meters}


def test_an_address_of_digits_in_a_table_stays_text(catalog: Catalog) -> None:
    device = by_code(build_devices(catalog, LocalIds()))["demo", "wm-b1-001"]
    assert device.spec.address.model_dump() == {"device": "31000001"}


def test_elevators_take_no_commands(catalog: Catalog) -> None:
    assert catalog.kinds["elevator"].commands == {}


def test_bus_settings_come_from_the_environment() -> None:
    catalog = load_catalog([packaged_config()], {"HUB_DEMO_MODBUS_PORT_B1": "1502"})
    buses = catalog.sites["demo"].buses
    assert isinstance(buses["gw-b1"], ModbusBus)
    assert isinstance(buses["gw-b2"], ModbusBus)
    assert (buses["gw-b1"].port, buses["gw-b2"].port) == (1502, 15022)


def test_devices_have_numbers_and_only_the_points_their_profile_gives(catalog: Catalog) -> None:
    devices = build_devices(catalog, LocalIds())
    assert list(devices) == list(range(1, 438))
    assert all(number == device.id for number, device in devices.items())
    ids = [point.id for device in devices.values() for point in device.points.values()]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    pump = by_code(devices)["demo", "pump-1"]
    assert set(pump.points) == {"running", "fault", "pressure", "flow", "current"}
    assert pump.zone == "Asia/Shanghai"
    units = [device.spec.address for device in on_bus(devices, "demo", "gw-plant")]
    assert all(isinstance(address, ModbusAddress) for address in units)
    assert len(units) == 8


def test_the_same_configuration_gives_equal_devices_with_the_same_numbers(catalog: Catalog) -> None:
    ids = LocalIds()
    assert build_devices(load_catalog([packaged_config()], {}), ids) == build_devices(catalog, ids)


def test_a_profile_may_say_when_it_is_silent(catalog: Catalog) -> None:
    devices = by_code(build_devices(catalog, LocalIds()))
    assert silent_after(devices["demo", "wm-b1-001"]).total_seconds() == 2 * 3600  # the profile's
    assert silent_after(devices["demo", "pump-1"]).total_seconds() == 60  # the kind's


def _cases() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/expected.txt"))


@pytest.mark.parametrize("case", _cases())
def test_every_way_to_be_wrong_is_told_in_exact_words(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    with pytest.raises(CatalogError) as caught:
        load_catalog([Path("base"), Path(case)], SECRET)
    rendered = "".join(problem.render() + "\n" for problem in caught.value.problems)
    assert rendered == Path(case, "expected.txt").read_text(encoding="utf-8")
    chinese = [problem.render("zh") for problem in caught.value.problems]
    assert all("：" in line for line in chinese)
    for text in (rendered, *chinese):
        assert "s3cret" not in text
        assert "hunter2" not in text


def test_the_base_of_the_cases_is_right() -> None:
    assert set(load_catalog([CASES / "base"], SECRET).sites) == {"home"}
    assert len(_cases()) >= 20


def test_chinese_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    with pytest.raises(CatalogError) as caught:
        load_catalog([Path("base"), Path("site-unknown-profile")], SECRET)
    assert caught.value.problems[0].render("zh-CN") == (
        "site-unknown-profile/sites/home.yaml:13: devices[0].profile: 引用不存在：发现 'heyue-dc20'，"
        "应为：an existing profile id — 是否想写 'heyue-dc200'？"
    )


def test_a_site_without_a_virtual_bus_is_given_one(tmp_path: Path) -> None:
    """What analyses find of its devices comes in by it; without it the reports would wait for ever."""
    (tmp_path / "sites").mkdir()
    head = "community: {code: small, name: {zh: 小区, en: Small}, time_zone: Asia/Shanghai}\nbuses: {"
    for taken, added in (("main", "virtual"), ("virtual", "virtual-2")):
        (tmp_path / "sites/small.yaml").write_text(f"{head}{taken}: {{protocol: modbus, host: 127.0.0.1}}}}\n", "utf-8")
        site = load_catalog([packaged_config(), tmp_path], {}).sites["small"]
        assert {name: bus.protocol for name, bus in site.buses.items()} == {taken: "modbus", added: "virtual"}
    assert len(load_catalog([packaged_config()], {}).sites["demo"].buses) == 5, "it has its own"


def test_a_gateway_behind_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    head = """community: {code: small, name: {zh: 小区, en: Small}, time_zone: Asia/Shanghai}
places: [{path: p, kind: area, name: {zh: 处, en: place}}]
buses: {virtual: {protocol: virtual}}
devices:
  - {id: gateway, name: {zh: 网关, en: Gateway}, profile: hub-gateway, place: p, bus: virtual, address: {bus: virtual}}
"""
    (tmp_path / "sites/small.yaml").write_text(head, "utf-8")
    with pytest.raises(CatalogError, match="a device above it; here gateway → gateway is a circle"):
        load_catalog([packaged_config(), tmp_path], {})


def test_a_later_root_replaces_a_file_and_the_demonstration(tmp_path: Path) -> None:
    shutil.copytree(CASES / "base/sites", tmp_path / "sites")
    meter = tmp_path / "profiles/electricity_meter/heyue-em300.yaml"
    meter.parent.mkdir(parents=True)
    original = packaged_config() / "profiles/electricity_meter/heyue-em300.yaml"
    meter.write_text(original.read_text(encoding="utf-8").replace("level: simulated", "level: field"), encoding="utf-8")
    catalog = load_catalog([packaged_config(), tmp_path], SECRET)
    assert set(catalog.sites) == {"home"}
    assert catalog.profiles["heyue-em300"].level == "field"
    assert "heyue-vp8" in catalog.profiles


def test_a_broken_profile_is_told_once_not_at_every_device(tmp_path: Path) -> None:
    shutil.copytree(CASES / "base", tmp_path / "config")
    profile = tmp_path / "config/profiles/door/heyue-dc200.yaml"
    profile.write_text(profile.read_text(encoding="utf-8").replace("kind: door", "kind: dor"), encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        load_catalog([tmp_path / "config"], SECRET)
    assert len(caught.value.problems) == 1


def test_published_schemas_are_those_of_the_code() -> None:
    for name, text in render_schemas().items():
        assert (ROOT / "config/schemas" / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"


SHIPPED = [path for pattern in ("kinds.yaml", "profiles/*/*.yaml", "sites/*.yaml")
           for path in sorted((ROOT / "config").glob(pattern))]  # fmt: skip


@pytest.mark.parametrize("path", [path.relative_to(ROOT).as_posix() for path in SHIPPED])
def test_shipped_files_name_their_schema(path: str) -> None:
    first = (ROOT / path).read_text(encoding="utf-8").splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match is not None
    assert (ROOT / path).parent.joinpath(match[1]).is_file()


def test_published_reference_is_that_of_the_configuration(catalog: Catalog) -> None:
    for name, text in render_reference(catalog).items():
        assert (ROOT / "docs/reference" / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"


def test_check_says_ok_problems_or_no_such_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert check([], "en", {}) == 0
    assert capsys.readouterr().out == "OK: kinds: 17, profiles: 18, sites: 1, devices: 437\n"
    assert check([CASES / "profile-unknown-point"], "en", {}) == 1
    assert capsys.readouterr().out.endswith("1 problem in 1 file\n")
    assert check([CASES / "profile-unknown-point"], "zh", {}) == 1
    assert capsys.readouterr().out.endswith("1 个文件中有 1 处问题\n")
    assert check([CASES / "nowhere"], "en", {}) == 2
    assert "no such file" in capsys.readouterr().err


def test_check_takes_one_file_as_the_folder_it_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    file = CASES / "profile-unknown-point/profiles/electricity_meter/heyue-em300.yaml"
    assert check([file], "en", {}) == 1
    assert "did you mean 'power'?" in capsys.readouterr().out


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("mutated")


_WORDS = [
    "", "~", "0", "-1", "1e308", "9" * 90, "true", "[]", "{}", "[[]]", "{a: 1}", "!env X", "!env X y", "!file x",
    '!file "\\0"', "!env HUB_TEST_PASSWORD", "&a b", "*a", "'", '"', "|", "3e9d", "99999999999d", "0.1ms", "mqtt",
    "modbus", "{device}", "/a/b", "é", "string", "bool", "float32", "\\", "Asia/..", "/etc", "a" * 400, "unit", "../x",
    "mqtt://[", "://:99999",
]  # fmt: skip


def _mutate(text: str, rng: random.Random) -> str:
    """One edit an integrator, a merge or a bad disk may make."""
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    match rng.randrange(7):
        case 0:
            del lines[at]
        case 1:
            lines.insert(rng.randrange(len(lines)), lines[at])
        case 2:
            lines[at] = " " * rng.randrange(6) + lines[at].lstrip()
        case 3:  # another value
            lines[at] = re.sub(r": .*$", lambda _: ": " + rng.choice(_WORDS), lines[at])
        case 4:  # another word somewhere in the line
            words = re.findall(r"[\w/.{}-]+", lines[at]) or [""]
            lines[at] = lines[at].replace(rng.choice(words), rng.choice(_WORDS), 1)
        case 5:
            cut = rng.randrange(len(text) + 1)
            return text[:cut] + rng.choice(_WORDS) + text[cut + rng.randrange(4) :]
        case _:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(BASE_FILES), seed=st.integers(0, 2**32), edits=st.integers(1, 5))
def test_any_edit_gives_a_catalog_or_a_catalog_error(scratch: Path, file: str, seed: int, edits: int) -> None:
    rng = random.Random(seed)
    text = (CASES / "base" / file).read_text(encoding="utf-8")
    for _ in range(edits):
        text = _mutate(text, rng)
    shutil.rmtree(scratch)
    (scratch / file).parent.mkdir(parents=True)
    (scratch / file).write_text(text, encoding="utf-8")
    try:
        catalog = load_catalog([CASES / "base", scratch], SECRET)
    except CatalogError as error:
        assert error.problems
        assert "s3cret" not in "".join(problem.render() + problem.render("zh") for problem in error.problems)
    else:
        build_devices(catalog, LocalIds())


def test_docs_names_what_differs_and_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.cli.docs.load_plugs", lambda: [RulesPlugin()])  # the web pages take seconds to import
    for folder in ("config", "docs/reference"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    page = tmp_path / "docs/reference/kinds.md"
    page.write_text("old", encoding="utf-8")
    assert docs(tmp_path, check=True) == 1
    assert "docs/reference/kinds.md: differs, run `make docs`\n" in capsys.readouterr().out
    assert docs(tmp_path, check=False) == 0
    assert docs(tmp_path, check=True) == 0
    assert page.read_text(encoding="utf-8") == (ROOT / "docs/reference/kinds.md").read_text(encoding="utf-8")


def test_check_reports_what_the_other_rooms_find(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem("rules/x.yaml", 3, "rules[0]", "'a'", "something else")
    assert check([], "en", {}, further=[lambda roots, kinds: [problem] if "door" in kinds and roots else []]) == 1
    assert capsys.readouterr().out.startswith("rules/x.yaml:3: rules[0]: found 'a', expected something else\n")
