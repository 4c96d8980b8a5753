// Sound by priority, made by the browser itself. Muted for a while; life safety for a minute at most.
const TONES = { 1: [[988, 0], [988, 0.22], [988, 0.44]], 2: [[880, 0], [660, 0.25]], 3: [[660, 0]], 4: [] };
const AGAIN_MS = { 1: 10000, 2: 30000 };
const LIFE_MS = 60000, MOST_MS = 1800000;
const KEY = "hub.mute";

export class Siren {
  constructor() {
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { localStorage.removeItem(KEY); }
    const now = Date.now();
    this.at = Math.min(Number(kept.at) || 0, now);
    this.until = Math.min(Number(kept.until) || 0, this.at + MOST_MS);
    this.last = { 1: now, 2: now };
    this.audio = null;
    this.missed = null; // the gravest that was to sound while nothing could
  }

  /** Try for sound; `turned` is called when it begins or ends to work. Whether a page may, only the browser can say: a page
      loaded again may, one opened with the browser may not before it was touched. */
  open(turned) {
    this.audio = new AudioContext();
    this.audio.onstatechange = turned;
    this.wake();
  }

  wake() { if (this.blocked && this.audio.state !== "closed") this.audio.resume(); }

  close() { this.audio.onstatechange = null; this.audio.close(); }

  get blocked() { return this.audio?.state !== "running"; }

  /** When the sound comes back, in milliseconds; 0 minutes: at once. */
  mute(minutes) {
    this.at = Date.now();
    this.until = minutes > 0 ? Math.min(this.at + minutes * 60000, this.at + MOST_MS) : 0;
    localStorage.setItem(KEY, JSON.stringify({ at: this.at, until: this.until }));
    return this.until;
  }

  silent(row) {
    const now = Date.now();
    return now < (row.life_safety ? Math.min(this.until, this.at + LIFE_MS) : this.until);
  }

  ring(row) {
    const tones = TONES[row.priority] || [];
    if (!tones.length || this.silent(row)) return;
    if (this.blocked) {
      if (!this.missed || row.priority < this.missed.priority) this.missed = row;
      this.wake();
      return;
    }
    this.last[row.priority] = Date.now();
    for (const [pitch, delay] of tones) {
      const tone = this.audio.createOscillator(), gain = this.audio.createGain(), at = this.audio.currentTime + delay;
      tone.frequency.value = pitch;
      gain.gain.value = 0.15;
      tone.connect(gain).connect(this.audio.destination);
      tone.start(at);
      tone.stop(at + 0.16);
    }
  }

  /** Again and again while the grave ones wait for a person. */
  repeat(rows) {
    for (const level of [1, 2]) {
      if (Date.now() - this.last[level] < AGAIN_MS[level]) continue;
      const row = rows.find((one) => one.priority === level && !this.silent(one));
      if (row) { this.ring(row); return; }
    }
  }
}
