// Rounds on the hours of a day, one line a plan. A block is a link to its round; its shape says its state, not only its colour.
const TONES = {
  "": { background: "var(--surface)", color: "var(--muted)" },
  run: { background: "var(--select)", color: "var(--text)", "border-color": "var(--accent)" },
  done: { background: "var(--good)", color: "var(--panel)", "border-color": "var(--good)" },
  late: { background: "var(--p3-back)", color: "var(--p3)", "border-color": "var(--p3)" },
  ill: { background: "var(--p2)", color: "var(--panel)", "border-color": "var(--p2)" },
};

export default {
  template: `
    <div ref="box" role="region" tabindex="0" :aria-label="label" style="overflow-x: auto; position: relative">
      <div :style="{ position: 'relative', minWidth: width + 'px', paddingLeft: '112px' }">
        <div style="position: relative; height: 20px" aria-hidden="true">
          <span v-for="h in hours" :key="h.at" class="muted" :style="{ position: 'absolute', left: h.at + '%', fontSize: '12px' }">{{ h.text }}</span>
          <i v-if="now !== null" :style="{ position: 'absolute', left: now + '%', top: '16px', height: rows.length * 44 + 'px', borderLeft: '2px solid var(--focus)' }"></i>
        </div>
        <div v-for="row in rows" :key="row.id" style="position: relative; height: 44px; border-top: 1px solid var(--line)">
          <b :style="{ position: 'sticky', left: 0, zIndex: 1, display: 'block', width: '104px', marginLeft: '-112px', lineHeight: '43px', background: 'var(--panel)', fontWeight: 500, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }">{{ row.label }}</b>
          <a v-for="b in row.blocks" :key="b.id" :href="b.href" :title="b.title" :aria-label="b.title" :style="style(b)">{{ b.tone ? b.mark : "" }}</a>
        </div>
      </div>
    </div>`,
  props: { rows: Array, hours: Array, now: Number, label: String, width: Number },
  methods: {
    style(b) {
      return {
        position: "absolute", left: b.left + "%", width: `max(6px, calc(${b.width}% - 1px))`, top: "8px", height: "28px",
        display: "grid", placeItems: "center", overflow: "hidden", fontSize: "11px", textDecoration: "none", borderRadius: "2px",
        border: "1px solid var(--line)", ...TONES[b.tone],
      };
    },
  },
  mounted() {
    const wide = this.$refs.box;
    if (this.now !== null) wide.scrollLeft = Math.max(0, (wide.scrollWidth * this.now) / 100 - wide.clientWidth / 2);
  },
};
