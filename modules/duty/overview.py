"""Who is on and how the shift was handed over, on the manager's overview."""

from hub.overview.model import Section, Tile
from hub.principal import Principal
from modules.duty.service import Duty
from modules.duty.sheet import HAND_OVER_STATES


async def tell(duty: Duty, who: Principal) -> Section:
    """How many are on now, the hand-over at hand, and the incidents that are open."""
    on = await duty.on.on_shift(who.community_id, None, duty.context.clock.now())
    told = await duty.hand_overs.current(who)
    state = HAND_OVER_STATES[told["state"]] if told["change_at"] else {"zh": "未设班次", "en": "No shifts"}
    incidents = await duty.diary.count_incidents(who, state="open")
    names = "、".join(dict.fromkeys(one["name"] for one in on))
    return Section({"zh": "值班", "en": "Duty"}, [
        Tile({"zh": "当班人数", "en": "On duty"}, len({one["person"] for one in on}), "/roster", not on,
             {"zh": names, "en": names} if on else None),
        Tile({"zh": "交接班", "en": "Hand-over"}, state, "/hand-over", bool(told.get("late"))),
        Tile({"zh": "未结事件", "en": "Open incidents"}, incidents, "/duty-log/incidents", incidents > 0),
    ])  # fmt: skip
