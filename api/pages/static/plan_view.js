// The floor plan: the drawing of a place, where it has one, and under it the same from the place tree: the community's
// buildings and areas, a building's floors, a floor's rooms. Alarms and devices that are not well are counted at every
// level above them. Text is always text.
import { SHAPES, rank } from "/static/desk_time.js";
import PlanDrawing from "/static/plan_drawing.js";

const MARKS = { connected: "●", silent: "◐", offline: "○", error: "✕", none: "·" };
const W = 320, LABEL = 48, GAP = 4;
const by = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** Of two alarms the one to show: the more urgent, then the one that waits for a person, then the newer. */
const graver = (a, b) => !a || (b.priority - a.priority || rank(b.state) - rank(a.state) || a.id - b.id) < 0 ? b : a;

export default {
  components: { PlanDrawing },
  template: `
    <div class="plan">
      <nav class="crumbs" :aria-label="t.place">
        <a href="#" :aria-current="here.path ? null : 'page'">{{ t.community }}</a>
        <template v-for="node in trail" :key="node.path"><i class="material-icons" aria-hidden="true">chevron_right</i>
          <a :href="'#' + node.path" :aria-current="node.path === here.path ? 'page' : null">{{ node.name }}</a></template>
        <span class="sum" role="status"><span v-for="level in levels(here)" :key="level" class="tally"><span class="badge" :class="'p' + level" role="img" :aria-label="t.priorities[level]">
            <i aria-hidden="true">{{ shapes[level] }}</i><span aria-hidden="true">{{ level }}</span></span>×{{ here.count[level] }}</span>
          <span>{{ sum(here) }}</span></span>
      </nav>
      <div v-if="!size" class="empty" role="status"><i class="material-icons" aria-hidden="true">map</i><b>{{ t.empty }}</b><p>{{ t.empty_hint }}</p></div>
      <plan-drawing v-if="here.drawing" :key="here.path" :name="here.name" :drawing="here.drawing" :things="things" :alarms="alarmsHere" :devices="items" :off="off"
        :shapes="shapes" :marks="marks" :t="t" :file="file" :table="file && table" @move="move"></plan-drawing>
      <div v-if="size && !here.path" class="plots">
        <a v-for="node in here.children" :key="node.path" class="plot" :href="'#' + node.path" :aria-label="node.name + ': ' + sum(node)">
          <svg :viewBox="'0 0 ' + W + ' ' + (isBuilding(node) ? elevation(node, 12).height : 96)" aria-hidden="true">
            <template v-if="isBuilding(node)"><g v-for="cell in elevation(node, 12).cells" :key="cell.node.path" class="cell" :class="tone(cell.node)">
              <rect :x="cell.x" :y="cell.y" :width="cell.w" :height="cell.h"></rect>
              <text v-if="cell.node.worst && cell.w > 30" :x="cell.x + cell.w / 2" :y="cell.y + cell.h / 2 + 4" class="tiny">{{ shapes[cell.node.worst] }} {{ cell.node.worst }}</text></g></template>
            <g v-else class="ground"><rect x="1" y="1" :width="W - 2" height="94" rx="4"></rect>
              <text v-for="(device, index) in dots(node)" :key="index" :x="18 + (index % 18) * 17" :y="26 + Math.floor(index / 18) * 20" :class="device.state">{{ marks[device.state] }}</text></g>
          </svg>
          <span class="plot-name"><b>{{ node.name }}</b><span class="sum"><span v-for="level in levels(node)" :key="level" class="tally"><span class="badge" :class="'p' + level"><i>{{ shapes[level] }}</i>{{ level }}</span>×{{ node.count[level] }}</span></span></span>
          <small>{{ sum(node) }}</small>
        </a>
      </div>
      <div v-else-if="size" class="street" :class="{ rooms: !isBuilding(here) }">
      <svg v-if="isBuilding(here)" class="elevation" :viewBox="'0 0 ' + W + ' ' + elevation(here, 40).height" role="group" :aria-label="here.name">
        <text v-for="head in elevation(here, 40).heads" :key="head.node.path" :x="head.x" y="14" class="head">{{ head.node.short }}</text>
        <a v-for="cell in elevation(here, 40).cells" :key="cell.node.path" :href="'#' + cell.node.path" class="cell" :class="tone(cell.node)" :aria-label="cell.node.name + ': ' + sum(cell.node)">
          <rect :x="cell.x" :y="cell.y" :width="cell.w" :height="cell.h"></rect>
          <text v-if="cell.w > 60" :x="cell.x + 8" :y="cell.y + cell.h / 2 + 5">{{ cell.node.short }}</text>
          <text v-if="cell.node.worst" :x="cell.x + cell.w - (cell.w > 60 ? 8 : 5)" :y="cell.y + cell.h / 2 + 5" class="end">{{ shapes[cell.node.worst] }}{{ cell.node.worst }}<tspan v-if="cell.w > 90"> ×{{ alarmsOf(cell.node) }}</tspan></text>
          <text v-else-if="cell.node.ill" :x="cell.x + cell.w - 6" :y="cell.y + cell.h / 2 + 5" class="end ill">◐ {{ cell.node.ill }}</text>
        </a>
      </svg>
      <div class="side">
      <ul v-if="alarmsHere.length && !here.drawing" class="plan-alarms" :aria-label="t.alarms"><li v-for="alarm in alarmsHere" :key="alarm.id">
        <a :href="'/alarms/' + alarm.id" class="door-alarm" :class="['p' + alarm.priority, alarm.state]"><span class="badge" role="img" :aria-label="t.priorities[alarm.priority]"><i aria-hidden="true">{{ shapes[alarm.priority] }}</i><span aria-hidden="true">{{ alarm.priority }}</span></span>
          <span>{{ alarm.title }} · {{ items[alarm.device_id]?.name || '' }}</span></a></li></ul>
      <div class="plots">
        <figure v-for="node in rooms" :key="node.path" class="room">
          <figcaption><a v-if="node.path !== here.path && node.children.length" :href="'#' + node.path">{{ node.name }}</a><b v-else>{{ node.name }}</b><small>{{ node === here && here.children.length ? t.hall : sum(node) }}</small></figcaption>
          <svg v-if="node.inside.length" :viewBox="'0 0 ' + W + ' ' + node.inside.length * LABEL" role="group" :aria-label="node.name">
            <a v-for="(device, index) in node.inside" :key="device.id" :href="'/devices/' + device.id" class="cell" :class="device.worst ? 'p' + device.worst : device.state"
              :aria-label="device.name + ': ' + t.states[device.state] + (device.worst ? ', ' + t.priorities[device.worst] : '')">
              <rect x="1" :y="index * LABEL + 1" :width="W - 2" :height="LABEL - GAP"></rect>
              <text x="14" :y="index * LABEL + 28" class="mark">{{ marks[device.state] }}</text>
              <text x="34" :y="index * LABEL + 28">{{ cut(device.name) }}</text>
              <text v-if="device.worst" :x="W - 8" :y="index * LABEL + 28" class="end">{{ shapes[device.worst] }}{{ device.worst }}</text>
            </a></svg>
          <p v-else class="muted">{{ t.no_devices }}</p>
        </figure>
      </div>
      </div></div>
      <p class="legend muted" aria-hidden="true"><span v-for="level in 4" :key="level"><i :class="'hue p' + level">{{ shapes[level] }}</i> {{ t.priorities[level] }}</span>
        <span v-for="state in ['connected', 'silent', 'offline', 'error', 'none']" :key="state">{{ marks[state] }} {{ t.states[state] }}</span></p>
      <details v-if="size"><summary>{{ t.table }}</summary><div class="table-box"><table class="hub-table">
        <thead><tr><th scope="col">{{ t.place }}</th><th scope="col" class="num">{{ t.devices }}</th><th scope="col" class="num">{{ t.ill }}</th><th v-for="level in 4" :key="level" scope="col" class="num">{{ t.priorities[level] }}</th></tr></thead>
        <tbody><tr v-for="node in here.children.length ? here.children : [here]" :key="node.path">
          <td :data-label="t.place"><a :href="'#' + node.path">{{ node.name }}</a></td><td class="num" :data-label="t.devices">{{ node.total }}</td><td class="num" :data-label="t.ill">{{ node.ill }}</td>
          <td v-for="level in 4" :key="level" class="num" :data-label="t.priorities[level]">{{ node.count[level] }}</td></tr></tbody></table></div></details>
    </div>`,
  props: { places: Array, drawings: Object, devices: Array, alarms: Array, file: String, t: Object },
  data() {
    return { moved: {}, tree: this.places, sheets: this.drawings, items: this.byId(this.devices), live: this.byId(this.alarms), at: this.hash(), shapes: SHAPES, marks: MARKS, W, LABEL, GAP };
  },
  computed: {
    size() { return this.tree.length; },
    nodes() {
      const blank = (path, kind, name, at) => ({ path, kind, name, at, drawing: this.sheets[path], short: name, children: [], inside: [], total: 0, ill: 0, worst: 0, top: null, count: [0, 0, 0, 0, 0] });
      const nodes = { "": blank("", "community", this.t.community) };
      const above = (path) => { do path = path.split("/").slice(0, -1).join("/"); while (!nodes[path]); return nodes[path]; };
      for (const place of this.tree) {
        const node = nodes[place.path] = blank(place.path, place.kind, place.name, this.moved[place.path + "/"] || place.at), parent = above(place.path);
        if (parent.path && place.name.startsWith(parent.name)) node.short = place.name.slice(parent.name.length).trim().replace(/^./, (sign) => sign.toUpperCase()) || place.name;
        parent.children.push(node);
      }
      const lift = (path, work) => { for (let node = nodes[path] || above(path); ; node = above(node.path)) { work(node); if (!node.path) return; } };
      const top = {};
      for (const alarm of Object.values(this.live)) {
        if (alarm.suppression) continue;
        top[alarm.device_id] = graver(top[alarm.device_id], alarm);
        lift(alarm.place, (node) => { node.count[alarm.priority] += 1; node.top = graver(node.top, alarm); node.worst = node.top.priority; });
      }
      for (const device of Object.values(this.items)) {
        const ill = !["connected", "none"].includes(device.state);
        (nodes[device.place] || above(device.place)).inside.push({ ...device, at: this.moved[device.code] || device.at, top: top[device.id], worst: top[device.id]?.priority || 0 });
        lift(device.place, (node) => { node.total += 1; node.ill += ill ? 1 : 0; });
      }
      for (const node of Object.values(nodes)) {
        node.children.sort((a, b) => by(a.path, b.path));
        node.inside.sort((a, b) => by(a.code, b.code));
      }
      return nodes;
    },
    here() { return this.nodes[this.at] || this.nodes[""]; },
    trail() { return this.here.path ? this.here.path.split("/").map((_, depth, parts) => this.nodes[parts.slice(0, depth + 1).join("/")]).filter(Boolean) : []; },
    rooms() {
      const own = this.here.inside.length || !this.here.children.length ? [this.here] : [];
      return this.isBuilding(this.here) ? own : [...own, ...this.here.children];
    },
    alarmsHere() {
      const inside = (place) => !this.here.path || place === this.here.path || place.startsWith(this.here.path + "/");
      return Object.values(this.live).filter((alarm) => !alarm.suppression && inside(alarm.place)).sort((a, b) => a.priority - b.priority || b.id - a.id).slice(0, 20);
    },
    /** What stands, or could stand, on the drawing that is shown: devices, and places in which there is more. */
    things() {
      const shown = this.here.path, found = [];
      if (!this.here.drawing) return found;
      for (const node of Object.values(this.nodes)) {
        if (this.drawnOn(node.path) === shown) found.push(...node.inside.map((device) => ({ key: device.code, device, name: device.name, at: device.at, top: device.top, ill: !["connected", "none"].includes(device.state) })));
        if (node.path && this.drawnOn(node.path.split("/").slice(0, -1).join("/")) === shown) found.push({ key: node.path + "/", node, name: this.within(node.name), at: node.at, top: node.top, ill: node.ill > 0, sum: this.sum(node) });
      }
      return found;
    },
    /** Ids of the alarms here that no mark on the drawing shows. */
    off() {
      const placed = this.things.filter((thing) => thing.at), ids = new Set(placed.map((thing) => thing.device?.id));
      const within = (place) => placed.some((thing) => thing.node && (place + "/").startsWith(thing.key));
      return new Set(this.alarmsHere.filter((alarm) => !ids.has(alarm.device_id) && !within(alarm.place)).map((alarm) => alarm.id));
    },
    /** The whole table of positions of the site, as its file. */
    table() {
      const nodes = Object.values(this.nodes), line = (device, place, at) => [device, place, ...at.map((share) => share.toFixed(3))].join(",");
      const devices = nodes.flatMap((node) => node.inside).filter((device) => device.at).map((device) => line(device.code, "", device.at));
      const places = nodes.filter((node) => node.at).map((node) => line("", node.path, node.at));
      return ["device,place,x,y", ...devices.sort(by), ...places.sort(by)].join("\n") + "\n";
    },
  },
  mounted() {
    this.onHash = () => (this.at = this.hash());
    addEventListener("hashchange", this.onHash);
  },
  unmounted() { removeEventListener("hashchange", this.onHash); },
  methods: {
    byId(rows) { return Object.fromEntries(rows.map((row) => [row.id, row])); },
    hash() { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } },
    upsert(alarms, devices) {
      for (const alarm of alarms) alarm.state === "normal" ? delete this.live[alarm.id] : (this.live[alarm.id] = alarm);
      for (const device of devices) if (this.items[device.id]) this.items[device.id].state = device.state;
    },
    replace(alarms, devices, places, drawings) {
      Object.assign(this, { live: this.byId(alarms), items: this.byId(devices), tree: places, sheets: drawings });
    },
    move(key, at) { this.moved[key] = at; },
    drawnOn(path) { while (path && !this.sheets[path]) path = path.split("/").slice(0, -1).join("/"); return this.sheets[path] ? path : null; },
    /** A name without that of the place that is shown. */
    within(name) { const rest = this.here.path && name.startsWith(this.here.name) ? name.slice(this.here.name.length).trim() : ""; return rest.replace(/^./, (sign) => sign.toUpperCase()) || name; },
    isBuilding(node) { return node.children.some((unit) => unit.kind === "floor" || unit.children.some((floor) => floor.kind === "floor")); },
    /** Cells of a building seen from the street: units side by side, floors on top of each other, the shaft beside them. */
    elevation(node, row) {
      const units = node.children.some((one) => one.kind === "floor") ? [node] : node.children.filter((one) => one.children.length);
      const loose = node.children.filter((one) => !units.includes(one) && one.kind !== "floor");
      const most = Math.max(1, ...units.map((unit) => unit.children.filter((one) => one.kind === "floor").length));
      const top = row > 20 ? 24 : 4, wide = W / units.length, step = row + GAP, cells = [], heads = [];
      units.forEach((unit, index) => {
        const floors = unit.children.filter((one) => one.kind === "floor"), others = unit.children.filter((one) => one.kind !== "floor");
        const left = index * wide, slim = others.length ? Math.min(48, wide / 3.3) : 0;
        heads.push({ node: unit, x: left + 4 });
        floors.forEach((floor, level) => cells.push({ node: floor, x: left + 2, y: top + (most - 1 - level) * step, w: wide - slim - 6, h: row }));
        others.forEach((shaft, n) => { const h = most * step / others.length; cells.push({ node: shaft, x: left + wide - slim - 2, y: top + n * h, w: slim - 2, h: h - GAP }); });
        if (unit !== node && unit.inside.length) cells.push({ node: { ...this.own(unit) }, x: left + 2, y: top + most * step, w: wide - 6, h: row });
      });
      loose.forEach((one, index) => cells.push({ node: one, x: index * W / loose.length + 2, y: top + (most + 1) * step, w: W / loose.length - 6, h: row }));
      return { cells, heads, height: top + (most + 1 + (loose.length ? 1 : 0)) * step };
    },
    /** What stands in a unit itself: its door and hall. */
    own(unit) {
      const ids = new Set(unit.inside.map((device) => device.id)), count = [0, 0, 0, 0, 0];
      for (const alarm of Object.values(this.live)) if (!alarm.suppression && ids.has(alarm.device_id)) count[alarm.priority] += 1;
      return { ...unit, short: this.t.hall, name: unit.name + " " + this.t.hall, total: ids.size, count, worst: [1, 2, 3, 4].find((level) => count[level]) || 0,
        ill: unit.inside.filter((device) => !["connected", "none"].includes(device.state)).length };
    },
    dots(node) {
      const all = [], walk = (one) => { all.push(...one.inside); one.children.forEach(walk); };
      walk(node);
      return all.slice(0, 54);
    },
    levels(node) { return [1, 2, 3, 4].filter((level) => node.count[level]); },
    alarmsOf(node) { return node.count.reduce((a, b) => a + b, 0); },
    tone(node) { return node.worst ? "p" + node.worst : node.ill ? "ill" : ""; },
    sum(node) {
      const parts = [node.total + " " + this.t.devices_unit];
      if (node.ill) parts.push(node.ill + " " + this.t.ill_unit);
      if (this.alarmsOf(node)) parts.push(this.alarmsOf(node) + " " + this.t.alarms_unit);
      return parts.join(" · ");
    },
    cut(text) {
      let width = 0, end = 0;
      for (const sign of text) { width += sign.charCodeAt(0) > 0x2e7f ? 14 : 7.5; if (width > 236) return text.slice(0, end) + "…"; end += sign.length; }
      return text;
    },
  },
};
