// The browser's own notices while the desk is not in front: one a call of an alarm, gone once somebody has it.
const KEY = "hub.notices";

export class Notices {
  constructor() {
    this.open = new Map(); // alarm id -> its notice
    this.wanted = localStorage.getItem(KEY) === "on";
  }

  /** "": this browser has none · insecure: not over plain HTTP · blocked: the person or the browser said no · off · on */
  get state() {
    if (!window.isSecureContext) return "insecure";
    if (!("Notification" in window)) return "";
    if (Notification.permission === "denied") return "blocked";
    return this.wanted && Notification.permission === "granted" ? "on" : "off";
  }

  /** On or off, at a person's click: only then may a page ask for leave. */
  async turn() {
    this.wanted = this.state !== "on" && (await Notification.requestPermission()) === "granted";
    localStorage.setItem(KEY, this.wanted ? "on" : "off");
    if (!this.wanted) this.close();
  }

  /** Show a call of an alarm; `chosen` is called when the person clicks it. Silent: the desk itself sounds. */
  show(row, title, body, chosen) {
    if (this.state !== "on" || (!document.hidden && document.hasFocus())) return;
    this.end(row.id);
    try {
      // The same tag in another tab of this browser: one notice, not two.
      const notice = new Notification(title, { body, tag: `hub-${row.id}-${row.annunciated_at}`, requireInteraction: row.life_safety, silent: true });
      notice.onclick = () => { window.focus(); this.end(row.id); chosen(row.id); };
      notice.onclose = () => { if (this.open.get(row.id) === notice) this.open.delete(row.id); };
      this.open.set(row.id, notice);
    } catch {
      this.wanted = false; // Chrome on Android has them for service workers only
    }
  }

  end(id) {
    this.open.get(id)?.close();
    this.open.delete(id);
  }

  close() { for (const id of [...this.open.keys()]) this.end(id); }
}
