"""The guard's check-in (phone first), and the sheet of codes to be printed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from hub.live import Change
from modules.patrol.codes import png_data_uri
from modules.patrol.offline import add_offline
from modules.patrol.pages_round import expected
from modules.patrol.screen import SCREEN, add_screen
from modules.patrol.service import Patrols
from modules.patrol.widgets import CheckInForm
from modules.patrol.words import STATES, Text

_TITLE = {"zh": "巡更打卡", "en": "Check in"}
_CODES = {"zh": "巡更点二维码", "en": "QR codes of checkpoints"}
_SHOWN_ROUNDS = 6
_PRINT = "<style>@media print { .top, .page-head a, button, section .ghost { display: none !important } }</style>"
_FORM: dict[str, Text] = {
    "code": {"zh": "二维码内容", "en": "Code"},
    "scan": {"zh": "拍码", "en": "Photograph the code"},
    "working": {"zh": "正在识别…", "en": "Reading…"},
    "hint": {
        "zh": "拍下巡更点上的二维码，或用手机扫码，本页会自动填好；没有网络时先记在手机里，有网络后自动上传。",
        "en": "Photograph the code at the checkpoint, or scan it with the phone: it fills in this page. Without a "
        "connection a check-in is kept on the phone and sent later.",
    },
    "kept": {"zh": "暂时无法识别，照片已存在手机里，有网络后由系统识别。",
             "en": "It cannot be read now. The photograph is kept on the phone and read when there is a connection."},
    "where": {"zh": "这是哪个点？（可不选；选了才能填巡检项）",
              "en": "Which checkpoint is it? (only needed to answer its inspection)"},
    "unsaid": {"zh": "由照片识别", "en": "As the photograph says"},
    "discard": {"zh": "不要这张照片", "en": "Discard the photograph"},
    "photograph": {"zh": "照片", "en": "Photograph"},
    "photo_of": {"zh": "拍照：", "en": "Photograph:"},
    "needed": {"zh": "必拍", "en": "needed"},
    "add_photo": {"zh": "添加照片", "en": "Add a photograph"},
    "remove": {"zh": "删除照片", "en": "Remove photograph"},
    "missing": {"zh": "缺照片：", "en": "Photograph missing:"},
    "photos_left": {"zh": "张照片待上传", "en": "photographs to be sent"},
    "photo_failed": {"zh": "照片未被接受：", "en": "A photograph was not taken:"},
    "dismiss": {"zh": "删除", "en": "Dismiss"},
    "position": {"zh": "打卡时记录一次手机位置（手机允许时），用于核对是否在该点；两次打卡之间不跟踪。",
                 "en": "The phone's position is kept with the check-in, if you allow it, to see that you are there; "
                 "nobody is followed in between."},
    "far": {"zh": "已收到，距检查点", "en": "Received; distance to the checkpoint:"},
    "unknown": {"zh": "这不是本小区的巡更点二维码。", "en": "This is no code of a checkpoint here."},
    "check_in": {"zh": "打卡", "en": "Check in"},
    "yes": {"zh": "正常", "en": "In order"},
    "no": {"zh": "异常", "en": "Fault"},
    "left": {"zh": "未检项：", "en": "Not inspected:"},
    "note": {"zh": "说明", "en": "Note"},
    "mine": {"zh": "本机打卡", "en": "On this phone"},
    "none": {"zh": "还没有打卡。", "en": "No check-ins yet."},
    "waiting": {"zh": "条待上传", "en": "to be sent"},
    "not_sent": {"zh": "待上传", "en": "To be sent"},
    "other": {"zh": "待本人登录上传：", "en": "Waits for"},
    "accepted": {"zh": "已收到", "en": "Received"},
    "deviates": {"zh": "已收到，有异常", "en": "Received, with a fault"},
    "refused": {"zh": "未被接受", "en": "Refused"},
    "offline": {"zh": "没有网络：打卡先记在手机里。", "en": "No connection: check-ins are kept on the phone."},
    "drift": {"zh": "手机时间不准，相差", "en": "The phone's clock is wrong by"},
    "bad_code": {"zh": "二维码无效", "en": "Not a valid code"},
    "stale_code": {"zh": "动态码已过期，请重新扫描", "en": "The code has expired; scan the new one"},
    "old_code": {"zh": "该码已更换，请扫新码", "en": "This code was replaced; scan the new one"},
    "used_code": {"zh": "动态码已被使用，请重新扫描", "en": "The code was used; scan the new one"},
    "not_here": {"zh": "该点不再接受此码", "en": "No longer taken there"},
    "too_old": {"zh": "超过 7 天，不再接受", "en": "Older than 7 days"},
    "no_code": {"zh": "照片中没有二维码，请靠近再拍", "en": "No code in the photograph; go nearer and hold still"},
    "mistaken": {"zh": "已收到；所选的点不对，巡检项未记录", "en": "Received; the answers were for another checkpoint"},
    "lost": {"zh": "照片已不在手机里", "en": "The photograph is no longer on the phone"},
    "no_room": {"zh": "手机里未上传的照片太多，这张没有保存，请先连接网络",
                "en": "Too many photographs wait on this phone; this one was not kept. Connect first"},
    "picture_too_large": {"zh": "照片太大", "en": "The photograph is too large"},
    "too_large": {"zh": "照片太大", "en": "The photograph is too large"},
    "picture_unknown": {"zh": "不是 JPEG、PNG 或 WebP 照片", "en": "Not a JPEG, PNG or WebP picture"},
    "picture_broken": {"zh": "照片已损坏", "en": "The photograph is damaged"},
    "too_many_pictures": {"zh": "照片已够多", "en": "There are as many as are taken"},
    "full": {"zh": "手机存不下，打卡未保存", "en": "The phone could not keep this check-in"},
    "bad_note": {"zh": "说明中有无法使用的字符", "en": "The note is not usable"},
    "bad_answer": {"zh": "巡检内容有误", "en": "An answer is not usable"},
}  # fmt: skip
_SAYS: dict[str, Text] = {
    "rounds": {"zh": "进行中的巡更", "en": "Rounds under way"},
    "none": {"zh": "现在没有进行中的巡更。", "en": "No round is under way now."},
    "due": {"zh": "应到", "en": "due"},
    "expected": {"zh": "应巡：", "en": "Expected:"},
    "remind": {"zh": "快到时间了：", "en": "Due soon: "},
    "no_file": {"zh": "本小区没有设置巡更（config/patrols/）。", "en": "No patrols are set here (config/patrols/)."},
    "print": {"zh": "打印", "en": "Print"},
    "display": {"zh": "打开动态码显示", "en": "Open the display"},
    "about": {
        "zh": "静态码按时扫描，或另有门禁、相机佐证，才算到点；翻拍得到的照片在规定时段内仍可能被用来打卡。"
        "要求更高的点请用动态码：每 20 秒更换，60 秒内有效，只能用一次。",
        "en": "A printed code counts when it is read on time, or with a door or camera besides; a photograph of it can "
        "still be used in its time. Where that is not enough, put up a display: its code changes every 20 s, is good "
        "for 60 s, and is taken once.",
    },
    "renew": {"zh": "换码", "en": "Renew"},
    "renew_title": {"zh": "更换此点的二维码？", "en": "Renew the codes of this checkpoint?"},
    "renew_text": {
        "zh": "现在张贴的码和动态码屏幕立即失效，须重新打印张贴、重新打开显示。手机里尚未上传的旧码打卡也会被拒绝。",
        "en": "The sheet and the screen there are refused from now on: put up the new sheet, open the display "
        "anew. Check-ins by the old code that are still on a phone are refused too.",
    },
}  # fmt: skip


def add_pages(shell: Any, patrols: Patrols) -> None:
    async def build_form(view: Any, _: int | None) -> None:
        await FormPage(view, patrols).build()

    async def build_codes(view: Any, _: int | None) -> None:
        await _paint_codes(view, patrols)

    shell.add_below("/patrol/checkin", "/patrols", build_form)
    shell.add_below("/patrol/codes", "/patrols", build_codes)
    add_screen(patrols)
    add_offline(shell.static)


def _address(code: str) -> str:
    """Where a scanned code leads. It stands behind #: no server's log sees it."""
    request = ui.context.client.request
    assert request is not None
    return f"{request.base_url}patrol/checkin#{code}"


class FormPage:
    """The check-in form with the rounds under way below it."""

    def __init__(self, view: Any, patrols: Patrols) -> None:
        self._view = view
        self._patrols = patrols

    async def build(self) -> None:
        view = self._view
        view.principal.require("work")
        file = self._patrols.file(view.principal)
        view.head(view.pick(_TITLE))
        if file is None:
            view.tag("p", view.pick(_SAYS["no_file"]), "empty-line")
            return
        checkpoints = await self._patrols.checkpoints(view.principal)
        self._people = await self._patrols.names(view.principal)
        texts = {name: view.pick(text) for name, text in _FORM.items()}
        CheckInForm(texts, view.person(view.principal.actor), checkpoints, view.language)
        with view.panel(view.pick(_SAYS["rounds"])):
            self._rounds = view.box("", aria_live="polite")
        await self._show()
        view.follow(["patrol"], self._hear, self._show, 1.0)

    async def _hear(self, changes: list[Change]) -> None:
        for change in changes:
            for checkpoint in change.data.get("remind", ()):
                name = self._names.get(f"checkpoint:{checkpoint}", checkpoint)
                text = f"{self._view.pick(_SAYS['remind'])}{name}"
                ui.notify(text, type="warning", position="top", timeout=15_000, close_button="✕")
        await self._show()

    async def _show(self) -> None:
        view = self._view
        rows = await self._patrols.recent(view.principal, states=("running", "overdue"), limit=_SHOWN_ROUNDS)
        self._names = await self._patrols.titles(view.principal, rows, view.language)
        self._rounds.clear()
        with self._rounds:
            if not rows:
                view.tag("p", view.pick(_SAYS["none"]), "empty-line")
            for row in rows:
                mark, _, word = STATES[row["state"]]
                view.tag("h3", f"{self._names.get('plan:' + row['plan'], row['plan'])} · {mark} {view.pick(word)}")
                if row["post"] is not None:
                    said = expected(view, row, self._names, self._people)
                    view.tag("p", f"{view.pick(_SAYS['expected'])} {said}", "muted")
                with view.box("steps", "ul"):
                    for visit in row["visits"]:
                        self._paint_visit(visit)

    def _paint_visit(self, visit: dict[str, Any]) -> None:
        view = self._view
        done = visit["done_at"] is not None
        name = self._names.get("checkpoint:" + visit["checkpoint"], visit["checkpoint"])
        mark = "✓" if done else "!" if visit["late"] else "○"
        with view.box("", "li"):
            view.tag("time", f"{view.pick(_SAYS['due'])} {self._clock(visit['due'])}")
            view.tag("b" if not done else "span", f"{mark} {name}")

    def _clock(self, moment: str) -> str:
        return f"{datetime.fromisoformat(moment).astimezone(ZoneInfo(self._view.zone)):%H:%M}"


async def _paint_codes(view: Any, patrols: Patrols) -> None:
    """One card a checkpoint: what it is called and its code, to be printed and put up there."""
    printed = await patrols.printed(view.principal)
    file = patrols.file(view.principal)
    assert file is not None, "it has codes"
    ui.add_head_html(_PRINT)
    places = await view.places()
    with view.head(view.pick(_CODES)), view.box("figures"):
        view.tag("button", view.pick(_SAYS["print"]), "solid", type="button").on(
            "click", js_handler="() => window.print()"
        )
    view.tag("p", view.pick(_SAYS["about"]), "muted")
    codes, screens = {one.id: code for one, code in printed}, await patrols.screens(view.principal)

    def renewer(checkpoint: str) -> Callable[..., None]:
        async def renew(_: str) -> None:
            await patrols.renew(await view.who(), checkpoint)
            ui.navigate.reload()

        said = [view.pick(_SAYS[key]) for key in ("renew_title", "renew_text", "renew")]
        return lambda _=None: view.ask(*said, renew)

    grid = view.box("")
    grid.style(
        "display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 16px; margin-top: 16px"
    )
    with grid:
        for one in file.checkpoints:
            name = one.name.get(view.language)
            with view.box("panel", "section").style("text-align: center; break-inside: avoid"):
                view.tag("h2", name)
                view.tag("p", places.get(one.place, one.place), "muted")
                if one.id in codes:
                    view.box("", "img", src=png_data_uri(_address(codes[one.id])), alt=f"QR {name}").style(_IMAGE)
                if one.id in screens:
                    view.tag("a", view.pick(_SAYS["display"]), "ghost", href=f"{SCREEN}#{screens[one.id]}")
                if one.id in codes or one.id in screens:
                    view.tag("button", view.pick(_SAYS["renew"]), "ghost", type="button").on("click", renewer(one.id))


_IMAGE = "width: 100%; max-width: 320px; image-rendering: pixelated; background: #fff"
