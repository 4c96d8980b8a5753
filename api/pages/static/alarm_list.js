// The live alarm list: keeps its own rows, so that one change repaints one row. Text is always text.
const SHAPES = ["", "◆", "▲", "●", "■"];
const RANK = { active_unacknowledged: 0, returned_unacknowledged: 1, active_acknowledged: 2 };
const MUTE_MS = 600000;

export default {
  template: `
    <div class="alarm-list">
      <div class="tools">
        <input ref="search" class="search" type="search" v-model="query" :placeholder="t.search" :aria-label="t.search"
          maxlength="100">
        <div class="segmented" role="group" :aria-label="t.list">
          <button type="button" :aria-pressed="!onlyNew" @click="onlyNew = false">{{ t.all }} <b>{{ size }}</b></button>
          <button type="button" :aria-pressed="onlyNew" @click="onlyNew = true">{{ t.fresh }} <b>{{ unacknowledged }}</b></button>
        </div>
        <button type="button" class="ghost sound" :aria-pressed="muted" :title="t.mute" @click="toggleMute">
          <i class="material-icons" aria-hidden="true">{{ muted ? 'volume_off' : 'volume_up' }}</i>
          <span>{{ muted ? t.sound_off + ' ' + hhmm(muteUntil) : t.sound_on }}</span>
        </button>
      </div>
      <ol v-if="shown.length" role="listbox" :aria-label="t.list" class="alarms">
        <li v-for="row in shown" :key="row.id" role="option" :id="'alarm-' + row.id" tabindex="0"
          :aria-selected="row.id === selected" :class="['alarm', 'p' + row.priority, row.state]"
          :data-raised="row.raised_at" @click="choose(row.id)" @keydown.enter="choose(row.id)">
          <span class="badge" :aria-label="t.priorities[row.priority]"><i aria-hidden="true">{{ shapes[row.priority] }}</i>{{ row.priority }}</span>
          <span class="what">
            <b>{{ pick(row.title) }}<span v-if="row.life_safety" class="life">{{ t.life }}</span></b>
            <span class="where">{{ where(row) }}</span>
            <span class="detail">{{ pick(row.text) }}</span>
          </span>
          <span class="state">{{ t.states[row.state] }}<small v-if="row.acknowledged_by && row.state === 'active_acknowledged'">{{ actor(row.acknowledged_by) }}</small></span>
          <span class="when"><time>{{ stamp(row.raised_at) }}</time><small>{{ age(row.raised_at) }}</small></span>
          <span class="times"><template v-if="row.count > 1">×{{ row.count }}</template></span>
        </li>
      </ol>
      <div v-else class="empty" role="status">
        <i class="material-icons" aria-hidden="true">{{ size ? 'filter_alt_off' : 'check_circle' }}</i>
        <b>{{ size ? t.empty_filter : t.empty }}</b><p v-if="!size">{{ t.empty_hint }}</p>
      </div>
    </div>`,
  props: { rows: Array, places: Object, t: Object, zone: String, zh: Boolean, now: Number, start: Number },
  data() {
    return {
      items: Object.fromEntries(this.rows.map((row) => [row.id, row])),
      selected: this.start || 0, query: "", onlyNew: false, tick: Date.now(), skew: this.now - Date.now(),
      muteUntil: Number(localStorage.getItem("hub.muteUntil") || 0), shapes: SHAPES,
    };
  },
  computed: {
    all() {
      return Object.values(this.items).sort((a, b) => a.priority - b.priority || RANK[a.state] - RANK[b.state] ||
        (a.raised_at < b.raised_at ? 1 : a.raised_at > b.raised_at ? -1 : b.id - a.id));
    },
    size() { return this.all.length; },
    unacknowledged() { return this.all.filter((row) => RANK[row.state] < 2).length; },
    shown() {
      const words = this.query.trim().toLowerCase();
      return this.all.filter((row) => (!this.onlyNew || RANK[row.state] < 2) && (!words || this.words(row).includes(words)));
    },
    muted() { return this.muteUntil > this.tick; },
  },
  mounted() {
    this.timer = setInterval(this.beat, 1000);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  },
  unmounted() {
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.onKey);
  },
  methods: {
    upsert(rows) {
      let rings = false;
      for (const row of rows) {
        const before = this.items[row.id];
        if (row.state === "normal") { delete this.items[row.id]; continue; }
        rings = rings || (row.state === "active_unacknowledged" && before?.state !== row.state);
        this.items[row.id] = row;
      }
      if (rings) this.ring();
    },
    replace(rows) { this.items = Object.fromEntries(rows.map((row) => [row.id, row])); },
    select(id) { this.selected = id; },
    choose(id) {
      this.selected = id;
      this.$emit("choose", id);
    },
    beat() {
      this.tick = Date.now();
      const critical = this.all.some((row) => row.priority === 1 && row.state === "active_unacknowledged");
      if (critical && Math.floor(this.tick / 1000) % 10 === 0) this.ring();
    },
    ring() {
      if (this.muted || !navigator.userActivation?.hasBeenActive) return;
      this.audio = this.audio || new AudioContext();
      [0, 0.25].forEach((delay) => {
        const tone = this.audio.createOscillator(), gain = this.audio.createGain();
        tone.frequency.value = 880;
        gain.gain.value = 0.15;
        tone.connect(gain).connect(this.audio.destination);
        tone.start(this.audio.currentTime + delay);
        tone.stop(this.audio.currentTime + delay + 0.15);
      });
    },
    toggleMute() {
      this.tick = Date.now();
      this.muteUntil = this.muted ? 0 : this.tick + MUTE_MS;
      localStorage.setItem("hub.muteUntil", String(this.muteUntil));
    },
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const closing = event.key === "?" && document.querySelector(".q-dialog .keys");
      if (!closing && event.target.closest("input, textarea, [contenteditable], .q-dialog")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const index = this.shown.findIndex((row) => row.id === this.selected);
      const act = {
        j: () => this.move(index + 1), k: () => this.move(index < 0 ? 0 : index - 1),
        a: () => this.selected && this.$emit("acknowledge", this.selected),
        o: () => this.selected && this.$emit("command", this.selected),
        m: () => this.toggleMute(), "?": () => this.$emit("help"), "/": () => this.$refs.search.focus(),
      }[event.key];
      if (act) { event.preventDefault(); act(); }
    },
    move(index) {
      const row = this.shown[Math.max(0, Math.min(index, this.shown.length - 1))];
      if (!row) return;
      this.choose(row.id);
      document.getElementById("alarm-" + row.id)?.scrollIntoView({ block: "nearest" });
    },
    pick(text) { return text ? text[this.zh ? "zh" : "en"] || text.zh || text.en : ""; },
    place(path) { return this.places[path] || path; },
    where(row) {
      const name = this.pick(row.device_name) || row.device, place = this.place(row.place);
      return name.toLowerCase().includes(place.toLowerCase()) ? name : place + " · " + name;
    },
    actor(name) { return name.replace(/^(user|key|rule):/, ""); },
    words(row) {
      return [row.title, row.text, row.device_name].map(this.pick).concat(this.place(row.place), row.device).join(" ").toLowerCase();
    },
    stamp(iso) {
      const day = (at) => new Intl.DateTimeFormat("sv", { timeZone: this.zone }).format(at);
      const at = new Date(iso), today = day(at) === day(new Date(this.tick + this.skew));
      const clock = new Intl.DateTimeFormat("sv", { timeZone: this.zone, hour: "2-digit", minute: "2-digit",
        ...(today ? { second: "2-digit" } : {}) }).format(at);
      return today ? clock : day(at).slice(5) + " " + clock;
    },
    hhmm(ms) { return new Intl.DateTimeFormat("sv", { timeZone: this.zone, hour: "2-digit", minute: "2-digit" }).format(ms); },
    age(iso) {
      const s = Math.max(0, Math.floor((this.tick + this.skew - Date.parse(iso)) / 1000)), u = this.t.units;
      if (s < 60) return s + " " + u[0];
      if (s < 3600) return Math.floor(s / 60) + " " + u[1];
      if (s < 86400) return Math.floor(s / 3600) + " " + u[2] + " " + Math.floor((s % 3600) / 60) + " " + u[1];
      return Math.floor(s / 86400) + " " + u[3];
    },
  },
};
