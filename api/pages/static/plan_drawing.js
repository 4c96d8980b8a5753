// A drawing as an image, in which no script runs, and on it what stands there. Zooming makes the sheet wider than its
// box, which scrolls by itself: wheel, finger, keys. Marks keep their size. Who may, arranges them.
const STEPS = [1, 1.5, 2, 3, 4, 6, 8], NUDGE = 0.005;
const KEYS = { ArrowLeft: [-NUDGE, 0], ArrowRight: [NUDGE, 0], ArrowUp: [0, -NUDGE], ArrowDown: [0, NUDGE] };
const share = (value) => Math.min(1, Math.max(0, value));

export default {
  template: `
    <div class="drawn">
      <div class="drawn-tools">
        <button type="button" class="ghost" :aria-label="t.zoom_out" :title="t.zoom_out" :disabled="!step" @click="zoom(step - 1)"><i class="material-icons" aria-hidden="true">zoom_out</i></button>
        <button type="button" class="ghost" :aria-label="t.zoom_in" :title="t.zoom_in" :disabled="step === last" @click="zoom(step + 1)"><i class="material-icons" aria-hidden="true">zoom_in</i></button>
        <button type="button" class="ghost" :disabled="!step" @click="zoom(0)">{{ t.whole }}</button>
        <button v-if="file" type="button" class="ghost arrange" :aria-pressed="arranging ? 'true' : 'false'" @click="arranging = !arranging">
          <i class="material-icons" aria-hidden="true">edit_location_alt</i>{{ arranging ? t.arrange_end : t.arrange }}</button>
      </div>
      <div class="drawn-pair" :class="{ alone: !alarms.length && !arranging }">
        <div class="drawn-box" ref="box" tabindex="0" role="group" :aria-label="t.drawing + ': ' + name" :class="{ arranging, near: scale >= 2 }" :style="{ '--ratio': drawing.ratio, '--zoom': scale }"
          @keydown="onKey" @wheel="onWheel" @pointerdown="onDown" @pointermove="onMove" @pointerup="held = null" @pointercancel="held = null">
          <div class="sheet" ref="sheet" @click="onPut"><img :src="drawing.src" alt="" draggable="false">
            <a v-for="thing in placed" :key="thing.key" class="pin" :class="look(thing)" :style="spot(thing)" :href="address(thing)" :aria-label="said(thing)" :title="said(thing)"
              draggable="false" :data-key="thing.key" @click="onPin($event, thing)">
              <span v-if="thing.top" class="plate"><span class="badge"><i aria-hidden="true">{{ shapes[thing.top.priority] }}</i>{{ thing.top.priority }}</span></span>
              <span v-else-if="thing.device" class="dot">{{ marks[thing.device.state] }}</span>
              <span v-if="thing.node || thing.top || arranging" class="pin-name"><template v-if="thing.node && thing.ill && !thing.top">◐ </template>{{ thing.name }}</span></a>
          </div>
        </div>
        <div v-if="arranging" class="drawn-side panel">
          <p class="muted">{{ t.arrange_hint }}</p>
          <div class="things" role="radiogroup" :aria-label="t.arrange">
            <label v-for="thing in listed" :key="thing.key" class="check"><input type="radio" name="plan-thing" :value="thing.key" v-model="chosen">
              <span>{{ thing.name }}</span><small>{{ thing.at ? thing.at.map((value) => value.toFixed(3)).join(' · ') : t.unplaced }}</small></label></div>
          <p class="muted">{{ t.arrange_file.replace('%f', file) }}</p>
          <textarea ref="text" readonly rows="4" :value="table" :aria-label="file"></textarea>
          <div class="actions"><button type="button" class="ghost" @click="copy">{{ copied ? t.copied : t.copy }}</button>
            <a class="solid" :href="'data:text/csv;charset=utf-8,' + encodeURIComponent(table)" :download="file">{{ t.download }}</a></div>
        </div>
        <ul v-else-if="alarms.length" class="plan-alarms drawn-side" :aria-label="t.alarms"><li v-for="alarm in alarms" :key="alarm.id">
          <a :href="'/alarms/' + alarm.id" class="door-alarm" :class="['p' + alarm.priority, alarm.state]"><span class="badge" role="img" :aria-label="t.priorities[alarm.priority]"><i aria-hidden="true">{{ shapes[alarm.priority] }}</i><span aria-hidden="true">{{ alarm.priority }}</span></span>
            <span>{{ alarm.title }} · {{ devices[alarm.device_id]?.name || '' }}<small v-if="off.has(alarm.id)" class="muted"> · {{ t.off_drawing }}</small></span></a></li></ul>
      </div>
    </div>`,
  props: { name: String, drawing: Object, things: Array, alarms: Array, devices: Object, off: Set, shapes: Array, marks: Object, t: Object, file: String, table: String },
  emits: ["move"],
  data() { return { step: 0, last: STEPS.length - 1, arranging: false, chosen: "", copied: false, held: null, dragged: false }; },
  computed: {
    scale() { return STEPS[this.step]; },
    placed() { return this.things.filter((thing) => thing.at); },
    /** Devices first, then places; within each those that have no place yet. */
    listed() { return [...this.things].sort((a, b) => !a.device - !b.device || !!a.at - !!b.at || a.name.localeCompare(b.name, "zh", { numeric: true })); },
  },
  watch: { table() { this.copied = false; } },
  methods: {
    look(thing) { return [thing.node ? "place" : "", thing.top ? "hot p" + thing.top.priority + " " + thing.top.state : thing.ill ? "ill" : "", this.arranging && thing.key === this.chosen ? "chosen" : ""]; },
    spot(thing) { return { left: 100 * thing.at[0] + "%", top: 100 * thing.at[1] + "%", zIndex: thing.top ? 9 - thing.top.priority : thing.node ? 2 : 1 }; },
    address(thing) { return thing.node ? "#" + thing.node.path : thing.top ? "/alarms/" + thing.top.id : "/devices/" + thing.device.id; },
    said(thing) {
      const worst = thing.top ? ", " + this.t.priorities[thing.top.priority] + (thing.device ? ", " + thing.top.title : "") : "";
      return thing.name + ": " + (thing.node ? thing.sum : this.t.states[thing.device.state]) + worst;
    },
    /** Show it larger or smaller; what is under the pointer, else in the middle, stays where it is. */
    async zoom(step, event) {
      const box = this.$refs.box, edge = box.getBoundingClientRect();
      const x = event ? event.clientX - edge.left : box.clientWidth / 2, y = event ? event.clientY - edge.top : box.clientHeight / 2;
      const before = this.$refs.sheet.getBoundingClientRect(), at = [(x + edge.left - before.left) / before.width, (y + edge.top - before.top) / before.height];
      this.step = Math.min(this.last, Math.max(0, step));
      await this.$nextTick();
      const after = this.$refs.sheet;
      box.scrollTo(after.offsetLeft + at[0] * after.offsetWidth - x, after.offsetTop + at[1] * after.offsetHeight - y);
    },
    onWheel(event) {
      if (!event.ctrlKey) return;  // a trackpad's pinch says so, too
      event.preventDefault();
      this.zoom(this.step + (event.deltaY < 0 ? 1 : -1), event);
    },
    onKey(event) {
      const nudge = KEYS[event.key], thing = this.things.find((one) => one.key === this.chosen);
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.arranging && nudge && thing) this.put(thing.key, (thing.at || [0.5, 0.5]).map((value, axis) => value + nudge[axis]));
      else if (event.key === "+" || event.key === "=") this.zoom(this.step + 1);
      else if (event.key === "-") this.zoom(this.step - 1);
      else if (event.key === "0") this.zoom(0);
      else return;
      event.preventDefault();
    },
    onDown(event) {
      const key = event.target.closest(".pin")?.dataset.key, box = this.$refs.box;
      if (event.button || (!key && event.pointerType !== "mouse")) return;  // a finger scrolls by itself
      if (key && !this.arranging) return;
      if (key) this.chosen = key;
      this.dragged = false;
      this.held = { key, x: event.clientX, y: event.clientY, left: box.scrollLeft, top: box.scrollTop, far: false };
    },
    onMove(event) {
      const held = this.held;
      if (!held) return;
      held.far = held.far || Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4;
      if (!held.far) return;
      this.dragged = true;
      this.$refs.box.setPointerCapture(event.pointerId);
      if (held.key) this.put(held.key, this.under(event));
      else this.$refs.box.scrollTo(held.left + held.x - event.clientX, held.top + held.y - event.clientY);
    },
    onPin(event, thing) {
      if (this.arranging) { event.preventDefault(); this.chosen = thing.key; }
    },
    /** A tap on the sheet puts the chosen one there; the next without a place is chosen. A drag's end is no tap. */
    onPut(event) {
      const dragged = this.dragged;
      this.dragged = false;
      if (dragged || !this.arranging || !this.chosen || event.target.closest(".pin")) return;
      const was = this.things.find((thing) => thing.key === this.chosen);
      this.put(this.chosen, this.under(event));
      if (was && !was.at) this.chosen = this.listed.find((thing) => !thing.at && thing.key !== was.key)?.key || "";
    },
    under(event) {
      const edge = this.$refs.sheet.getBoundingClientRect();
      return [(event.clientX - edge.left) / edge.width, (event.clientY - edge.top) / edge.height];
    },
    put(key, at) { this.$emit("move", key, at.map((value) => Math.round(share(value) * 1000) / 1000)); },
    copy() {
      this.$refs.text.select();  // the clipboard's own door is shut without HTTPS
      this.copied = document.execCommand("copy");
    },
  },
};
