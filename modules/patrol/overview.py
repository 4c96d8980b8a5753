"""Today's rounds on the manager's overview."""

from hub.overview.model import Section, Tile
from hub.principal import Principal
from modules.patrol.service import Patrols

_WALKED, _FAILED = ("complete", "late"), ("incomplete", "missed")


async def tell(patrols: Patrols, who: Principal) -> Section:
    """How many of today's rounds are walked, under way, and failed."""
    states = [row["state"] for row in await patrols.rounds(who)]
    walked, failed = (sum(state in wanted for state in states) for wanted in (_WALKED, _FAILED))
    running, overdue = states.count("running"), states.count("overdue")
    return Section({"zh": "巡更", "en": "Patrols"}, [
        Tile({"zh": "今日已完成", "en": "Walked today"}, f"{walked} / {len(states)}", "/patrols"),
        Tile({"zh": "进行中", "en": "Under way"}, running + overdue, "/patrols", overdue > 0,
             {"zh": f"逾期 {overdue}", "en": f"{overdue} overdue"}),
        Tile({"zh": "漏巡或未走全", "en": "Missed or incomplete"}, failed, "/patrols", failed > 0),
    ])  # fmt: skip
