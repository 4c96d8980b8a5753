// Doors and barriers as cards under their building. The state is a shape and a word; unknown is never shown as closed.
import { SHAPES } from "/static/desk_time.js";

// Leaf shut, leaf swung open, nobody knows; arm down, arm up, arm in between.
const SIGNS = {
  door: { closed: "M4 3h16v18H4z M16 12h1", open: "M4 3h16v18h-4 M4 3l12 4v17l-12-3z", unknown: "M4 3h16v18H4z" },
  barrier: { closed: "M3 20v-8h4v8z M7 13h15", open: "M3 20v-8h4v8z M6 12l9-10", moving: "M3 20v-8h4v8z M7 12l13-5", unknown: "M3 20v-8h4v8z" },
};

export default {
  template: `
    <div class="door-board">
      <div class="tools">
        <input class="search" type="search" v-model="query" :placeholder="t.search" :aria-label="t.search" maxlength="100">
        <div class="segmented" role="group" :aria-label="t.list">
          <button v-for="name in ['all', 'abnormal', 'open', 'unknown']" :key="name" type="button" :aria-pressed="only === name"
            @click="only = name">{{ t[name] }} <b>{{ counts[name] }}</b></button>
        </div>
        <select class="search export" :aria-label="t.export" value="" @change="exportAs($event)">
          <option value="">{{ t.export }}</option><option value="csv">CSV</option><option value="xlsx">Excel</option></select>
      </div>
      <p class="muted count" role="status">{{ shown.length }} {{ t.count }}</p>
      <div class="door-groups"><section v-for="group in groups" :key="group.key" class="door-group">
        <h2>{{ places[group.key] || group.key }} <small>{{ group.doors.length }}</small></h2>
        <ul class="doors">
          <li v-for="door in group.doors" :key="door.id" class="door" :class="['is-' + door.state, { ill: isIll(door) }]" :id="'door-' + door.id">
            <div class="door-head">
              <svg viewBox="0 0 24 24" aria-hidden="true"><path :d="sign(door)"></path><text v-if="door.state === 'unknown'" x="12" y="17">?</text></svg>
              <div><a :href="'/devices/' + door.id">{{ door.name }}</a>
                <b class="word">{{ door.word }}<template v-if="door.locked"> · {{ door.locked }}</template></b>
                <small v-if="door.last">{{ door.last }}</small>
                <small v-if="door.link !== 'connected'" class="link-state">{{ marks[door.link] }} {{ door.link_word }}</small></div>
            </div>
            <a v-for="alarm in door.alarms" :key="alarm.id" class="door-alarm" :class="['p' + alarm.priority, alarm.state]" :href="'/alarms/' + alarm.id">
              <span class="badge" role="img" :aria-label="t.priorities[alarm.priority]"><i aria-hidden="true">{{ shapes[alarm.priority] }}</i><span aria-hidden="true">{{ alarm.priority }}</span></span>
              <span>{{ alarm.title }}</span></a>
            <ul class="door-events"><li v-for="event in door.events" :key="event.id"><time>{{ event.time }}</time> <span>{{ event.text }} <small>{{ event.data }}</small></span></li>
              <li v-if="!door.events.length" class="muted">{{ t.no_events }}</li></ul>
            <div v-if="door.commands.length" class="actions"><button v-for="command in door.commands" :key="command.name" type="button" class="ghost"
              :disabled="!command.allowed" :title="command.allowed ? null : t.not_allowed" :aria-label="command.label + ': ' + door.name"
              @click="$emit('command', [door.id, command.name])">{{ command.label }}</button></div>
          </li>
        </ul>
      </section></div>
      <div v-if="!shown.length" class="empty" role="status"><i class="material-icons" aria-hidden="true">meeting_room</i>
        <b>{{ size ? t.empty_filter : t.empty }}</b><p v-if="!size">{{ t.empty_hint }}</p></div>
    </div>`,
  props: { rows: Array, places: Object, t: Object, zone: String, me: String, now: Number },
  data() {
    const kept = localStorage.getItem("hub.doors." + this.me);
    return { items: Object.fromEntries(this.rows.map((row) => [row.id, row])), query: "", shapes: SHAPES,
      only: ["all", "abnormal", "open", "unknown"].includes(kept) ? kept : "all",
      marks: { connected: "●", silent: "◐", offline: "○", error: "✕", none: "·" } };
  },
  computed: {
    size() { return Object.keys(this.items).length; },
    counts() {
      const all = Object.values(this.items);
      return { all: all.length, ...Object.fromEntries(["abnormal", "open", "unknown"].map((name) => [name, all.filter((door) => this.is(door, name)).length])) };
    },
    shown() {
      const words = this.query.trim().toLowerCase();
      return Object.values(this.items).filter((door) => this.is(door, this.only) &&
        (!words || [door.name, door.code, this.places[door.place], door.word].join(" ").toLowerCase().includes(words)));
    },
    groups() {
      const groups = {};
      for (const door of this.shown) (groups[door.place.split("/")[0]] ||= []).push(door);
      const by = (a, b) => a.localeCompare(b, "en", { numeric: true });
      return Object.keys(groups).sort(by).map((key) => ({ key, doors: groups[key].sort((a, b) => by(a.place, b.place) || by(a.code, b.code)) }));
    },
  },
  watch: { only(name) { localStorage.setItem("hub.doors." + this.me, name); } },
  methods: {
    exportAs(event) {
      this.$emit("export", [event.target.value, this.groups.flatMap((group) => group.doors.map((door) => door.id))]);
      event.target.value = "";
    },
    upsert(rows) { for (const row of rows) this.items[row.id] = row; },
    replace(rows) { this.items = Object.fromEntries(rows.map((row) => [row.id, row])); },
    isIll(door) { return door.alarms.length > 0 || door.state === "unknown"; },
    is(door, name) { return name === "all" || (name === "abnormal" ? this.isIll(door) : door.state === name); },
    sign(door) { return (SIGNS[door.kind] || SIGNS.door)[door.state] || SIGNS.door.unknown; },
  },
};
