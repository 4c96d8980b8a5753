// The live alarm list: keeps its own rows, so that one change repaints one row. Text is always text.
import { rank, Clockwork, SHAPES } from "/static/desk_time.js";
import { Notices } from "/static/notices.js";
import { Siren } from "/static/siren.js";

const TABS = ["desk", "shelved", "suppressed", "out_of_service", "stale"];
const STALE_MS = 86400000, PAGE = 100, SLEPT_MS = 15000;
const TOUCHES = ["keydown", "pointerdown", "pointerup"]; // a browser takes one or the other for the person's leave to sound
const KEYS = { a: "acknowledge", s: "shelve", d: "assign", c: "comment", w: "work_order", o: "command", e: "evidence" };

export default {
  template: `
    <div class="alarm-list">
      <p v-if="blocked" class="soundless" role="alert"><i class="material-icons" aria-hidden="true">volume_off</i>{{ t.sound_blocked }}</p>
      <section v-if="storm" class="storm" role="status">
        <h2><i class="material-icons" aria-hidden="true">thunderstorm</i>{{ t.storm }}
          <span class="muted">{{ t.storm_since }} {{ stamp(storm.since) }} · {{ storm.counted }} {{ t.storm_counted }} · {{ storm.annunciated }} {{ t.storm_told }}</span></h2>
        <ul><li v-for="(group, index) in storm.groups" :key="index">
          <button type="button" class="ghost" :aria-expanded="openGroup === index" @click="openGroup = openGroup === index ? null : index">
            <i class="material-icons" aria-hidden="true">{{ openGroup === index ? 'expand_less' : 'expand_more' }}</i>
            <span>{{ pick(group.title) }} · {{ place(group.place) }}</span><b>×{{ group.count }}</b></button>
          <div v-if="openGroup === index" class="members">
            <button v-for="row in members(group)" :key="row.id" type="button" class="ghost" @click="choose(row.id)">
              <span>{{ shapes[row.priority] }} {{ where(row) }}</span><small>{{ age(row.raised_at) }}</small></button>
            <p v-if="!members(group).length" class="muted">{{ t.storm_none }}</p>
          </div>
        </li></ul>
      </section>
      <div class="segmented tabs" role="group" :aria-label="t.list">
        <button v-for="name in tabs" :key="name" type="button" :aria-pressed="tab === name" @click="show(name)">{{ t.tabs[name] }} <b>{{ counts[name] }}</b></button>
      </div>
      <div class="tools">
        <input ref="search" class="search" type="search" v-model="query" :placeholder="t.search" :aria-label="t.search"
          maxlength="100">
        <button type="button" class="ghost only-phone" :aria-expanded="filters" :aria-label="t.filter" @click="filters = !filters">
          <i class="material-icons" aria-hidden="true">tune</i><b v-if="strictness">{{ strictness }}</b></button>
        <div class="filters" :class="{ open: filters }">
          <div class="segmented" role="group" :aria-label="t.filter">
            <button type="button" :aria-pressed="fresh" @click="fresh = !fresh">{{ t.fresh }} <b>{{ unacknowledged }}</b></button>
            <button type="button" :aria-pressed="mine" @click="mine = !mine">{{ t.mine }}</button>
          </div>
          <div class="segmented" role="group" :aria-label="t.priority">
            <button v-for="level in 4" :key="level" type="button" :aria-pressed="wanted[level]" :aria-label="t.priorities[level]"
              :title="t.priorities[level]" @click="want(level)"><i aria-hidden="true" :class="'hue p' + level">{{ shapes[level] }}</i>{{ level }}</button>
          </div>
          <select class="search export" :aria-label="t.export" value="" @change="exportAs($event)">
            <option value="">{{ t.export }}</option><option value="csv">CSV</option><option value="xlsx">Excel</option></select>
        </div>
        <label class="sound"><i class="material-icons" aria-hidden="true">{{ muteUntil > tick || blocked ? 'volume_off' : 'volume_up' }}</i>
          <select class="search" :aria-label="t.sound" :value="muteUntil > tick ? 'on' : '0'" @change="mute(Number($event.target.value)); $event.target.blur()">
            <option value="0">{{ t.sound_on }}</option>
            <option v-if="muteUntil > tick" value="on">{{ t.sound_off }} {{ hhmm(muteUntil) }}</option>
            <option v-for="minutes in [1, 10, 30]" :key="minutes" :value="minutes">{{ t.mute }} {{ minutes }} {{ t.units[1] }}</option>
          </select></label>
        <button v-if="noticed" type="button" class="ghost notices" :aria-pressed="noticed === 'on'" :disabled="noticed === 'insecure' || noticed === 'blocked'"
          :title="t.notices[noticed]" :aria-label="t.notices[noticed]" @click="turnNotices"><i class="material-icons" aria-hidden="true">{{ noticed === 'on' ? 'desktop_windows' : 'desktop_access_disabled' }}</i></button>
      </div>
      <p v-if="hidden" class="strip" role="status"><i class="material-icons" aria-hidden="true">filter_alt</i>
        <span>{{ t.hidden.replace('%n', hidden) }}</span><button type="button" class="ghost small" @click="clear">{{ t.clear }}</button></p>
      <p v-if="parent" class="strip" role="status"><span>{{ t.children_of }} {{ items[parent] ? pick(items[parent].title) : parent }}</span>
        <button type="button" class="ghost small" @click="parent = 0">{{ t.clear }}</button></p>
      <div v-if="pickedIds.length" class="strip bulk" role="status"><span><b>{{ pickedIds.length }}</b> {{ t.picked }}</span>
        <button v-if="may" type="button" class="solid small" @click="act('acknowledge', pickedIds)">{{ t.acknowledge }}</button>
        <button v-if="may" type="button" class="ghost small" @click="act('assign', pickedIds)">{{ t.assign }}</button>
        <button v-if="may" type="button" class="ghost small" @click="act('shelve', pickedIds)">{{ t.shelve }}</button>
        <button type="button" class="ghost small" @click="pickAll">{{ t.pick_all }} {{ shown.length }}</button>
        <button type="button" class="ghost small" @click="picked = {}">{{ t.pick_none }}</button></div>
      <ol v-if="shown.length" :aria-label="t.list" class="alarms">
        <li v-for="row in page" :key="row.id" :id="'alarm-' + row.id" :data-raised="row.raised_at"
          :class="['alarm', 'p' + row.priority, row.state, { chosen: row.id === selected, set: row.suppression }]">
          <label class="pick"><input type="checkbox" :checked="picked[row.id]" :aria-label="t.pick + ' ' + pick(row.title) + ' ' + row.id"
            @change="toggle(row.id)"></label>
          <button type="button" class="open" :aria-current="row.id === selected ? 'true' : null" @click="choose(row.id)">
            <span class="badge" role="img" :aria-label="t.priorities[row.priority]"><i aria-hidden="true">{{ shapes[row.priority] }}</i><span aria-hidden="true">{{ row.priority }}</span></span>
            <span class="what">
              <span class="line"><b>{{ pick(row.title) }}</b><span v-for="flag in flags(row)" :key="flag[0]" class="flag" :class="flag[0]">{{ flag[1] }}</span></span>
              <span class="where">{{ where(row) }}</span>
              <span class="detail">{{ row.suppression ? reason(row) : pick(row.text) }}</span>
            </span>
            <span class="state"><span>{{ standing(row) }}</span><small>{{ owner(row) }}</small></span>
            <span class="when"><time>{{ stamp(row.raised_at) }}</time><small>{{ age(row.raised_at) }}</small></span>
            <span class="times"><template v-if="row.count > 1">×{{ row.count }}</template></span>
          </button>
          <button v-if="children[row.id]" type="button" class="ghost small hides" @click="showChildren(row.id)">{{ t.hides.replace('%n', children[row.id]) }}</button>
        </li>
      </ol>
      <div v-else class="empty" role="status">
        <i class="material-icons" aria-hidden="true">{{ counts[tab] ? 'filter_alt_off' : 'check_circle' }}</i>
        <b>{{ counts[tab] ? t.empty_filter : t.empties[tab] }}</b><p v-if="!counts[tab]">{{ t.hints[tab] }}</p>
      </div>
      <button v-if="shown.length > page.length" type="button" class="ghost more" @click="most += 200">{{ t.more.replace('%n', shown.length - page.length) }}</button>
    </div>`,
  props: { rows: Array, places: Object, t: Object, zone: String, zh: Boolean, now: Number, start: Number, me: String, may: Boolean,
    first: Object },
  data() {
    return {
      items: Object.fromEntries(this.rows.map((row) => [row.id, row])), selected: this.start || 0, picked: {},
      storm: this.first, openGroup: null, filters: false, parent: 0, most: PAGE, tick: Date.now(), skew: this.now - Date.now(),
      muteUntil: 0, blocked: false, noticed: "", shapes: SHAPES, tabs: TABS, ...this.kept(),
    };
  },
  computed: {
    all() {
      return Object.values(this.items).sort((a, b) => a.priority - b.priority || rank(a.state) - rank(b.state) ||
        (a.raised_at < b.raised_at ? 1 : a.raised_at > b.raised_at ? -1 : b.id - a.id));
    },
    staleBefore() { return Math.floor((this.tick + this.skew) / 60000) * 60000 - STALE_MS; },
    byTab() {
      const tabs = Object.fromEntries(TABS.map((name) => [name, []]));
      for (const row of this.all) {
        tabs[this.tabOf(row)].push(row);
        if (this.isStale(row)) tabs.stale.push(row);
      }
      return tabs;
    },
    counts() { return Object.fromEntries(TABS.map((name) => [name, this.byTab[name].length])); },
    children() {
      const counted = {};
      for (const row of this.all) if (row.parent_alarm_id) counted[row.parent_alarm_id] = (counted[row.parent_alarm_id] || 0) + 1;
      for (const row of this.all) if (row.hides && !counted[row.id]) counted[row.id] = row.hides;
      return counted;
    },
    unacknowledged() { return this.byTab[this.tab].filter((row) => rank(row.state) < 2).length; },
    strictness() { return [this.fresh, this.mine, Object.values(this.wanted).some(Boolean)].filter(Boolean).length; },
    shown() { return this.byTab[this.tab].filter(this.passes); },
    hidden() { return this.shown.length ? this.counts[this.tab] - this.shown.length : 0; },
    page() {
      const most = Math.max(this.most, this.shown.findIndex((row) => row.id === this.selected) + 1);
      return this.shown.slice(0, most);
    },
    pickedIds() { return Object.keys(this.picked).map(Number).filter((id) => this.picked[id] && this.items[id]); },
    filter() { return { tab: this.tab, query: this.query, fresh: this.fresh, mine: this.mine, wanted: { ...this.wanted } }; },
  },
  watch: { filter(value) { localStorage.setItem(this.keptAs(), JSON.stringify(value)); } },
  created() {
    this.clockwork = new Clockwork(this.zone, this.t.units);
    this.siren = new Siren();
    this.notices = new Notices();
    this.noticed = this.notices.state;
    this.stood = null;
    this.muteUntil = this.siren.until;
    if (this.items[this.selected]) this.tab = this.tabOf(this.items[this.selected]);
  },
  mounted() {
    this.timer = setInterval(this.beat, 1000);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.onTouch = () => this.siren.wake();
    for (const touch of TOUCHES) document.addEventListener(touch, this.onTouch, true);
    this.siren.open(this.turned);
  },
  unmounted() {
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.onKey);
    for (const touch of TOUCHES) document.removeEventListener(touch, this.onTouch, true);
    this.siren.close();
    this.notices.close();
  },
  methods: {
    keptAs() { return "hub.desk." + this.me; },
    kept() {
      const wanted = { 1: false, 2: false, 3: false, 4: false };
      let kept = {};
      try { kept = JSON.parse(localStorage.getItem(this.keptAs())) || {}; } catch { localStorage.removeItem(this.keptAs()); }
      return { tab: TABS.includes(kept.tab) ? kept.tab : "desk", query: String(kept.query || "").slice(0, 100), fresh: kept.fresh === true,
        mine: kept.mine === true, wanted: Object.fromEntries(Object.keys(wanted).map((level) => [level, kept.wanted?.[level] === true])) };
    },
    upsert(rows) {
      this.remember();
      for (const row of rows) {
        const before = this.items[row.id];
        if (!this.calls(row)) this.notices.end(row.id);
        if (row.state === "normal") { delete this.items[row.id]; delete this.picked[row.id]; continue; }
        this.items[row.id] = row;
        if (this.calls(row) && before?.annunciated_at !== row.annunciated_at) { this.siren.ring(row); this.notify(row); }
      }
      this.forget();
    },
    replace(rows) {
      this.remember();
      const fresh = rows.filter((row) => this.calls(row) && !this.items[row.id]);
      this.items = Object.fromEntries(rows.map((row) => [row.id, row]));
      this.forget();
      for (const id of this.notices.open.keys()) if (!this.items[id] || !this.calls(this.items[id])) this.notices.end(id);
      if (!fresh.length) return;
      const gravest = fresh.reduce((a, b) => (b.priority < a.priority ? b : a));
      this.siren.ring(gravest);
      for (const row of fresh) if (row.life_safety || row === gravest) this.notify(row);
    },
    /** No text of the alarm: it may stand on a locked screen, and cards and plates are in it. */
    notify(row) { this.notices.show(row, `${SHAPES[row.priority]} ${row.priority} ${this.pick(row.title)}`, this.where(row), this.choose); },
    async turnNotices() {
      await this.notices.turn();
      this.noticed = this.notices.state;
    },
    /** What is on the shelf, be its alarm over or not. */
    shelve(rows) {
      this.remember();
      for (const row of Object.values(this.items)) if (row.suppression === "shelved") delete this.items[row.id];
      for (const row of rows) this.items[row.id] = row;
      this.forget();
    },
    /** How the chosen one stood among its neighbours, until it is left: acknowledged, it moves; over, it is gone. */
    remember() { this.stood = this.stood || { rows: this.shown, row: this.items[this.selected] }; },
    forget() {
      const was = this.stood.row, is = this.items[this.selected];
      if (!was || (is && this.tabOf(is) === this.tabOf(was) && is.priority === was.priority && rank(is.state) === rank(was.state))) this.stood = null;
    },
    neighbour(by) {
      const index = this.shown.findIndex((row) => row.id === this.selected), stood = this.stood;
      if (!stood) return this.shown[index < 0 ? 0 : Math.max(0, Math.min(index + by, this.shown.length - 1))];
      const at = stood.rows.findIndex((row) => row.id === this.selected), there = new Set(this.shown.map((row) => row.id));
      const that = by > 0 ? stood.rows.slice(at + 1) : stood.rows.slice(0, Math.max(0, at)).reverse();
      return that.find((row) => there.has(row.id) && rank(this.items[row.id].state) === rank(row.state)) ||
        this.shown[Math.max(0, Math.min(at, this.shown.length - 1))];
    },
    setStorm(storm) { this.storm = storm; },
    select(id) { this.selected = id; this.stood = null; },
    choose(id) {
      this.stood = null;
      this.selected = id;
      this.$emit("choose", id);
    },
    act(name, ids) {
      if (!ids.length) return;
      this.$emit("act", [name, ids.slice(0, 500)]);
      if (ids === this.pickedIds && name === "acknowledge") this.picked = {};
    },
    /** Somebody is to look: also at what was over the moment it came. */
    calls(row) { return row.state.endsWith("unacknowledged") && !row.suppression && row.annunciated_at !== null; },
    /** It goes on ringing: it is still so, and nobody has said "seen". */
    sounds(row) { return this.calls(row) && !row.state.startsWith("returned"); },
    beat() {
      const before = this.tick;
      this.tick = Date.now();
      if (this.tick - before > SLEPT_MS) this.$emit("reload");
      this.blocked = this.siren.blocked;
      this.noticed = this.notices.state;
      this.siren.repeat(this.byTab.desk.filter(this.sounds));
    },
    /** Sound begins or ends to work: what came meanwhile is rung for, if it still calls. */
    turned() {
      if (this.siren.blocked) return;
      this.blocked = false;
      const row = this.items[this.siren.missed?.id];
      this.siren.missed = null;
      if (row && this.calls(row)) this.siren.ring(row);
    },
    mute(minutes) { this.muteUntil = this.siren.mute(minutes); this.tick = Date.now(); },
    exportAs(event) {
      this.$emit("export", [event.target.value, this.shown.map((row) => row.id).slice(0, 2000)]);
      event.target.value = "";
      event.target.blur();
    },
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const closing = event.key === "?" && document.querySelector(".q-dialog .keys");
      if (!closing && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .q-dialog")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const here = this.shown.some((row) => row.id === this.selected);
      const step = {
        j: () => this.move(1), k: () => this.move(-1),
        x: () => here && this.toggle(this.selected), m: () => this.mute(this.muteUntil > this.tick ? 0 : 10),
        "?": () => this.$emit("help"), "/": () => this.$refs.search.focus(), Escape: () => this.$emit("leave"),
      }[event.key];
      if (step) { event.preventDefault(); step(); return; }
      const name = KEYS[event.key], several = ["acknowledge", "assign", "shelve"].includes(name) && this.pickedIds.length;
      if (name && (several || here)) { event.preventDefault(); this.act(name, several ? this.pickedIds : [this.selected]); }
    },
    move(by) {
      const row = this.neighbour(by);
      if (!row) return;
      this.choose(row.id);
      this.$nextTick(() => document.getElementById("alarm-" + row.id)?.scrollIntoView({ block: "nearest" }));
    },
    show(tab) { this.tab = tab; this.parent = 0; this.most = PAGE; this.picked = {}; },
    showChildren(id) { this.show("suppressed"); this.parent = id; },
    want(level) { this.wanted[level] = !this.wanted[level]; },
    clear() { Object.assign(this, { query: "", fresh: false, mine: false, parent: 0, wanted: { 1: false, 2: false, 3: false, 4: false } }); },
    toggle(id) { this.picked[id] ? delete this.picked[id] : (this.picked[id] = true); },
    pickAll() { this.picked = Object.fromEntries(this.shown.slice(0, 500).map((row) => [row.id, true])); },
    tabOf(row) { return row.suppression === "suppressed_by_design" ? "suppressed" : row.suppression || "desk"; },
    isStale(row) { return !row.suppression && row.state.startsWith("active") && Date.parse(row.active_since || row.raised_at) < this.staleBefore; },
    passes(row) {
      if (this.parent) return row.parent_alarm_id === this.parent;
      if (row.life_safety && this.tab === "desk") return true; // no filter hides what may kill
      const words = this.query.trim().toLowerCase(), some = Object.values(this.wanted).some(Boolean);
      return (!this.fresh || rank(row.state) < 2) && (!some || this.wanted[row.priority]) &&
        (!this.mine || row.assignee === this.me || row.acknowledged_by === this.me) && (!words || this.words(row).includes(words));
    },
    members(group) {
      return this.all.filter((row) => row.rule === group.rule && (!group.place || row.place === group.place || row.place.startsWith(group.place + "/"))).slice(0, 60);
    },
    flags(row) {
      const f = this.t.flags, latched = row.state.startsWith("latched");
      return [["life", row.life_safety && f.life], ["first", row.first_out && f.first_out], ["chatter", row.chattering && f.chattering],
        ["history", row.historical && f.historical], ["latch", latched && f.latched]].filter((flag) => flag[1]);
    },
    standing(row) {
      const until = row.suppressed_until ? " " + this.t.until + " " + this.stamp(row.suppressed_until) : "";
      return row.suppression ? this.t.tabs[this.tabOf(row)] + until : this.t.states[row.state];
    },
    reason(row) { return [row.suppression_reason, row.suppressed_by && !row.suppressed_by.startsWith("alarm:") && this.actor(row.suppressed_by)].filter(Boolean).join(" · ") || this.pick(row.text); },
    owner(row) { return this.actor(row.assignee || (row.state.endsWith("_acknowledged") && row.acknowledged_by) || ""); },
    pick(text) { return text ? text[this.zh ? "zh" : "en"] || text.zh || text.en : ""; },
    place(path) { return this.places[path] || path || this.t.everywhere; },
    where(row) {
      const name = this.pick(row.device_name) || row.device, place = this.place(row.place);
      return name.toLowerCase().includes(place.toLowerCase()) ? name : place + " · " + name;
    },
    actor(name) { return name.replace(/^[a-z_]+:/, ""); },
    words(row) {
      return [row.title, row.text, row.device_name].map(this.pick).concat(this.place(row.place), row.device, row.assignee || "").join(" ").toLowerCase();
    },
    stamp(iso) { return this.clockwork.stamp(iso, this.tick + this.skew); },
    hhmm(ms) { return this.clockwork.minute(new Date(ms)); },
    age(iso) { return this.clockwork.age(Date.parse(iso), this.tick + this.skew); },
  },
};
