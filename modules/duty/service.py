"""The use cases of duty in one hand. The REST API and the pages call these."""

from hub.context import Context
from modules.duty.diary import Diary
from modules.duty.handovers import HandOvers
from modules.duty.register import Register
from modules.duty.rosters import OnDuty, Rosters


class Duty:
    """`register` of posts, shifts, people, equipment; `rosters`; `on` who is on now; `hand_overs`; `diary`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.register = Register(context)
        self.rosters = Rosters(context)
        self.on = OnDuty(context)
        self.hand_overs = HandOvers(context, self.on)
        self.diary = Diary(context, self.rosters, self.hand_overs)
