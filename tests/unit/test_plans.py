"""Drawings and positions of a site: what is refused, and with what words."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hub.catalog.load import Catalog, load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.plans import SitePlan, drawing_of
from hub.catalog.problems import CatalogError
from hub.catalog.svg import MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS, BadDrawing, svg_size
from tests.unit.demo_devices import demo_catalog

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 200 100">{}</svg>'
)
Check = Callable[..., Catalog]

SITE = """
community: {code: home, name: {zh: 家, en: Home}, drawing: drawings/site.svg}
buses: {virtual: {protocol: virtual}}
places:
  - {path: b1, kind: building, name: {zh: 楼, en: House}}
  - {path: b1/f1, kind: floor, name: {zh: 层, en: Floor}, drawing: drawings/floor.png}
devices:
  - {id: hub, name: {zh: 中枢, en: Hub}, profile: hub-itself, place: b1/f1, bus: virtual}
tables: {positions: home.positions.csv}
"""
POSITIONS = "device,place,x,y\nhub,,0.25,0.5\n,b1/f1,1,0\n"


def png(width: int = 300, height: int = 200) -> bytes:
    packed = io.BytesIO()
    Image.new("L", (width, height), 200).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture
def check(tmp_path: Path) -> Check:
    folder = tmp_path / "sites" / "drawings"
    folder.mkdir(parents=True)

    def load(
        *, site: str = SITE, positions: str = POSITIONS, svg: str = SVG.format(""), picture: bytes = b""
    ) -> Catalog:
        (folder.parent / "home.yaml").write_text(site, encoding="utf-8")
        (folder.parent / "home.positions.csv").write_text(positions, encoding="utf-8")
        (folder / "site.svg").write_text(svg, encoding="utf-8")
        (folder / "floor.png").write_bytes(picture or png())
        return load_catalog([packaged_config(), tmp_path], {})

    return load


def problems(load: Callable[[], object]) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        load()
    return [problem.render() for problem in caught.value.problems]


def test_drawings_and_positions_are_read(check: Check) -> None:
    plan = check().plans["home"]
    assert {path: (d.media, d.width, d.height) for path, d in plan.drawings.items()} == {
        "": ("image/svg+xml", 200, 100), "b1/f1": ("image/jpeg", 300, 200),
    }  # fmt: skip
    assert (plan.devices, plan.places) == ({"hub": (0.25, 0.5)}, {"b1/f1": (1, 0)})


def test_everything_of_the_demo_that_a_drawing_shows_stands_on_it() -> None:
    catalog = demo_catalog()
    site, plan = catalog.sites["demo"], catalog.plans["demo"]
    assert set(plan.drawings) == {"", "garage", "plant", "b1/u1", "b1/u2", "b2/u1", "b2/u2"}
    held = [f"{path}/" for path in plan.places]
    lost = [d.id for d in site.devices if d.id not in plan.devices and not f"{d.place}/".startswith(tuple(held))]
    assert lost == []


def test_a_company_s_own_folder_brings_its_own_drawings(tmp_path: Path) -> None:
    shutil.copytree(packaged_config() / "sites", tmp_path / "sites")
    file = tmp_path / "sites/drawings/demo-plant.svg"
    file.write_text(file.read_text(encoding="utf-8").replace("设备房", "水泵房"), encoding="utf-8")
    ours, theirs = load_catalog([packaged_config()], {}), load_catalog([packaged_config(), tmp_path], {})
    changed = [path for path, d in theirs.plans["demo"].drawings.items() if d != ours.plans["demo"].drawings[path]]
    assert changed == ["plant"]
    assert theirs.plans_of({"demo": 7}) == {7: theirs.plans["demo"]}


def test_a_drawing_shows_what_has_none_nearer() -> None:
    drawn = {"", "b1/f1"}
    assert [drawing_of(path, drawn) for path in ("b1/f1/r1", "b1/f1", "b1", "")] == ["b1/f1", "b1/f1", "", ""]
    assert drawing_of("b1", {"b2"}) is None
    assert SitePlan().drawings == {}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("pump,,0.1,0.1", "home.positions.csv:2: device: found 'pump', expected a device of this site"),
        (",b9,0.1,0.1", "home.positions.csv:2: place: found 'b9', expected a place of this site"),
        ("hub,b1,0.1,0.1", "home.positions.csv:2: either a `device` or a `place`"),
        ("hub,,31,0.1", "home.positions.csv:2: x: found '31', expected at most 1"),
        ("hub,,nan,0.1", "home.positions.csv:2: x: found 'nan', expected at most 1"),
        ("hub,,0.1,", "home.positions.csv:2: y: found nothing, expected a value: this field is required"),
        ("hub,,0.1,0.1\nhub,,0.2,0.2", "csv:3: device: found 'hub', expected a device that has no other position"),
    ],
)
def test_a_wrong_position_is_told_where_it_stands(check: Check, row: str, told: str) -> None:
    [said] = problems(lambda: check(positions=f"device,place,x,y\n{row}\n"))
    assert told in said


def test_a_position_needs_a_drawing(check: Check) -> None:
    bare = SITE.replace(", drawing: drawings/site.svg", "").replace(", drawing: drawings/floor.png", "")
    assert len(problems(lambda: check(site=bare))) == 2


@pytest.mark.parametrize(
    "file", ["drawings/none.svg", "drawings/../site.svg", "/etc/passwd", "site.svg", "drawings/a.svgz"]
)
def test_a_drawing_lies_beside_the_site(check: Check, file: str) -> None:
    [said, *_] = problems(lambda: check(site=SITE.replace("drawings/site.svg", file)))
    assert "home.yaml:2: community.drawing: found" in said


def test_what_a_drawing_is_follows_its_bytes(check: Check) -> None:
    [said] = problems(lambda: check(picture=SVG.format("").encode()))
    assert "places[1].drawing: drawings/floor.png: picture: a JPEG, PNG or WebP picture is expected" in said
    [said] = problems(lambda: check(svg=png().decode("latin-1")))
    assert "community.drawing: found" in said
    [said] = problems(lambda: check(picture=png(5_000, 5_000)))
    assert "pixels" in said


def test_a_device_that_is_wrong_is_told_once(check: Check) -> None:
    [said] = problems(lambda: check(site=SITE.replace("profile: hub-itself", "profile: 7")))
    assert "devices[0].profile" in said


@pytest.mark.parametrize("spaces", ["<style>url({}#a)</style>", "<style>{}</style>"])
def test_a_long_style_is_read_in_no_time(spaces: str) -> None:
    assert svg_size(SVG.format(spaces.format(" \n" * 400_000)).encode()) == (200, 100)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<script href="#a"/>',
        '<g onload="alert(1)"/>',
        '<path d="M0 0" ONCLICK="alert(1)"/>',
        "<foreignObject/>",
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        '<x:a xmlns:x="urn:x"><h:iframe xmlns:h="http://www.w3.org/1999/xhtml"/></x:a>',
        '<image href="http://198.51.100.1/a.png"/>',
        '<image href="data:image/png;base64,AAAA"/>',
        '<use href="http://198.51.100.1/a.svg#a"/>',
        '<use xlink:href="other.svg#a"/>',
        '<use xlink:href=" javascript:alert(1)"/>',
        '<a href="#a"/>',
        '<set attributeName="href" to="javascript:alert(1)"/>',
        '<animate attributeName="x"/>',
        "<style>@import 'http://198.51.100.1/a.css';</style>",
        "<style><![CDATA[rect { fill: URL( 'http://198.51.100.1/a' ) }]]></style>",
        "<style>rect { fill: \\75rl(http://198.51.100.1/a) }</style>",
        "<style>ur<!-- -->l(x) rect { background: image-set('http://198.51.100.1/a' 1x) }</style>",
        '<rect style="fill:url(//198.51.100.1/a)"/>',
        '<rect fill="url(http://198.51.100.1/a.svg#b)"/>',
        '<g xml:base="http://198.51.100.1/"/>',
        '<g><filter id="f"/></g>',
        '<g id="a"><use href="#b"/></g><g id="b"><rect/></g><use href="#a"/>',
        "<g/>" * (MOST_ELEMENTS + 1),
        "<g>" * MOST_DEPTH + "</g>" * MOST_DEPTH,
        "<?xml-stylesheet href='http://198.51.100.1/a.css'?>",
        "<g>",
        "&unknown;",
    ],
)
def test_an_svg_that_does_more_than_show_is_refused(hostile: str) -> None:
    with pytest.raises(BadDrawing):
        svg_size(SVG.format(hostile).encode())


@pytest.mark.parametrize(
    "whole",
    [
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("&a;"),
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">' + SVG.format(""),
        '<?xml version="1.0" encoding="utf-16"?>' + SVG.format(""),
        '<html xmlns="http://www.w3.org/1999/xhtml"/>',
        "<svg viewBox='0 0 1 1'/>",
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e400 1"/>',
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 1"/>',
        SVG.format(" " * MOST_BYTES),
        "",
        "GIF89a",
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_svg_is_refused(whole: str) -> None:
    with pytest.raises(BadDrawing):
        svg_size(whole.encode())


@pytest.mark.parametrize(
    "harmless",
    [
        '<defs><pattern id="p"><path d="M0 0"/></pattern><rect id="r"/></defs><use xlink:href="#r" fill="url(#p)"/>',
        "<style>.a { fill: url( '#p' ) } text { font-family: \"Noto Sans SC\" }</style><text class='a'>1栋 @ 门</text>",
        '<n:view xmlns:n="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" n:docname="C:\\plan.svg"/><metadata/>',
        '<!-- a comment --><title>图</title><g data-name="a\\b" aria-label="@"/>',
    ],
)
def test_what_drawing_programs_write_is_taken(harmless: str) -> None:
    assert svg_size(b'<?xml version="1.0" encoding="UTF-8"?>\n' + SVG.format(harmless).encode()) == (200, 100)


@given(st.binary(max_size=400), st.integers(0, 150))
def test_any_bytes_are_a_drawing_or_a_bad_one(bytes_in: bytes, at: int) -> None:
    whole = SVG.format("<g/>").encode()
    for raw in (bytes_in, whole[:at] + bytes_in + whole[at:]):
        try:
            width, height = svg_size(raw)
        except BadDrawing:
            continue
        assert width > 0 < height
