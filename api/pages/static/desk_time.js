// What the desks' components share: marks of the priorities, order of the states, the community's clock.
export const SHAPES = ["", "◆", "▲", "●", "■"];
const RANK = { active_unacknowledged: 0, latched_unacknowledged: 1, returned_unacknowledged: 1, active_acknowledged: 2, latched_acknowledged: 3 };

/** What waits for a person comes before what somebody has; below 2: unacknowledged. */
export const rank = (state) => RANK[state] ?? 4;

/** Times of one zone as text. Formatters are dear, so they are made once. */
export class Clockwork {
  constructor(zone, units) {
    const format = (options) => new Intl.DateTimeFormat("sv", { timeZone: zone, ...options });
    this.units = units;
    this.dayOf = format({});
    this.minuteOf = format({ hour: "2-digit", minute: "2-digit" });
    this.secondOf = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.known = new Map();
  }

  minute(at) { return this.minuteOf.format(at); }

  /** `HH:mm:ss` today, else `MM-dd HH:mm`. */
  stamp(iso, now) {
    const today = Math.floor(now / 60000) === this.checked ? this.today : this.dayOf.format(new Date(now));
    if (today !== this.today || this.known.size > 5000) this.known.clear();
    this.today = today;
    this.checked = Math.floor(now / 60000);
    let text = this.known.get(iso);
    if (!text) {
      const at = new Date(iso), day = this.dayOf.format(at);
      text = day === today ? this.secondOf.format(at) : day.slice(5) + " " + this.minuteOf.format(at);
      this.known.set(iso, text);
    }
    return text;
  }

  age(ms, now) {
    const s = Math.max(0, Math.floor((now - ms) / 1000)), u = this.units;
    if (s < 60) return s + " " + u[0];
    if (s < 3600) return Math.floor(s / 60) + " " + u[1];
    if (s < 86400) return Math.floor(s / 3600) + " " + u[2] + " " + Math.floor((s % 3600) / 60) + " " + u[1];
    return Math.floor(s / 86400) + " " + u[3];
  }
}
