// Devices under their places; what is not well stands out and is counted at every level above it. Text is always text.
const MARKS = { connected: "●", silent: "◐", offline: "○", error: "✕", none: "·" };

export default {
  template: `
    <div class="device-tree">
      <div class="tools">
        <input class="search" type="search" v-model="query" :placeholder="t.search" :aria-label="t.search" maxlength="100">
        <label class="check"><input type="checkbox" v-model="abnormal"><span>{{ t.abnormal }} <b>{{ ill }}</b></span></label>
        <button type="button" class="ghost" @click="toggleAll">{{ everything ? t.collapse : t.expand }}</button>
      </div>
      <p class="muted count" role="status">{{ matching.length }} {{ t.count }}</p>
      <div v-if="matching.length" class="tree">
        <template v-for="line in lines" :key="line.key">
          <button v-if="line.group" type="button" class="group" :class="'d' + line.depth" :aria-expanded="line.open"
            @click="toggle(line.key)">
            <i class="material-icons" aria-hidden="true">{{ line.open ? 'expand_more' : 'chevron_right' }}</i>
            <b>{{ line.name }}</b><span class="muted">{{ line.total }}</span>
            <span v-if="line.ill" class="ill">{{ line.ill }} {{ t.ill }}</span>
          </button>
          <a v-else class="device" :class="['d' + line.depth, line.device.state || 'none']" :href="'/devices/' + line.device.id">
            <span class="mark" aria-hidden="true">{{ marks[line.device.state || 'none'] }}</span>
            <span class="name"><b>{{ line.device.name }}</b><small>{{ line.device.code }}</small></span>
            <span class="kind muted">{{ line.device.kind }}</span>
            <span class="word">{{ t.states[line.device.state || 'none'] }}</span>
            <span class="seen muted">{{ line.device.seen ? ago(line.device.seen) : t.never }}</span>
            <span class="bell"><template v-if="line.device.alarms">▲ {{ line.device.alarms }}</template></span>
          </a>
        </template>
      </div>
      <div v-else class="empty" role="status"><i class="material-icons" aria-hidden="true">sensors_off</i>
        <b>{{ devices.length ? t.empty_filter : t.empty }}</b><p v-if="!devices.length">{{ t.empty_hint }}</p></div>
    </div>`,
  props: { devices: Array, places: Object, t: Object, now: Number },
  data() {
    return {
      items: Object.fromEntries(this.devices.map((device) => [device.id, device])), query: "", abnormal: false,
      open: {}, everything: false, tick: Date.now(), skew: this.now - Date.now(), marks: MARKS,
    };
  },
  computed: {
    ill() { return Object.values(this.items).filter(this.isIll).length; },
    matching() {
      const words = this.query.trim().toLowerCase();
      return Object.values(this.items).filter((d) => (!this.abnormal || this.isIll(d)) && (!words ||
        [d.name, d.code, d.kind, d.place, this.places[d.place]].join(" ").toLowerCase().includes(words)));
    },
    lines() {
      const root = { groups: {}, devices: [], total: 0, ill: 0 };
      for (const device of this.matching) {
        let node = root;
        const parts = device.place.split("/").slice(0, 3);
        parts.forEach((_, depth) => {
          const key = parts.slice(0, depth + 1).join("/");
          node = node.groups[key] = node.groups[key] || { key, depth, groups: {}, devices: [], total: 0, ill: 0 };
          node.total += 1;
          node.ill += this.isIll(device) ? 1 : 0;
        });
        node.devices.push(device);
      }
      const forced = this.everything || this.abnormal || this.query.trim() !== "", lines = [];
      const walk = (node, depth) => {
        const byKey = (a, b) => a.key.localeCompare(b.key, "en", { numeric: true });
        node.devices.sort((a, b) => a.code.localeCompare(b.code, "en", { numeric: true }))
          .forEach((device) => lines.push({ key: "#" + device.id, device, depth }));
        for (const group of Object.values(node.groups).sort(byKey)) {
          const open = this.open[group.key] ?? (forced || group.depth === 0);
          lines.push({ ...group, group: true, open, name: this.places["-" + group.key] || group.key });
          if (open) walk(group, depth + 1);
        }
      };
      walk(root, 0);
      return lines;
    },
  },
  mounted() { this.timer = setInterval(() => (this.tick = Date.now()), 1000); },
  unmounted() { clearInterval(this.timer); },
  methods: {
    upsert(changes) {
      for (const change of changes) if (this.items[change.id]) Object.assign(this.items[change.id], change);
    },
    replace(devices) { this.items = Object.fromEntries(devices.map((device) => [device.id, device])); },
    isIll(device) { return (device.state && device.state !== "connected") || device.alarms > 0; },
    toggle(key) {
      const line = this.lines.find((one) => one.key === key);
      this.open[key] = !line.open;
    },
    toggleAll() { this.everything = !this.everything; this.open = {}; },
    ago(ms) {
      const s = Math.max(0, Math.floor((this.tick + this.skew - ms) / 1000)), u = this.t.units;
      return s < 60 ? s + " " + u[0] : s < 3600 ? Math.floor(s / 60) + " " + u[1] :
        s < 86400 ? Math.floor(s / 3600) + " " + u[2] : Math.floor(s / 86400) + " " + u[3];
    },
  },
};
