// A table that becomes cards on a phone. Whatever stands in a cell is text, never markup.
const SHAPES = ["", "◆", "▲", "●", "■"];
const CLASSES = { mono: "mono", num: "num", link: "link", actions: "acts" };

export default {
  template: `
    <div class="table-box" :tabindex="wide ? 0 : null" :role="wide ? 'region' : null" :aria-label="wide ? columns[0].label : null">
      <table v-if="rows.length" class="hub-table">
        <thead><tr><th v-for="c in columns" :key="c.key" scope="col" :class="classes[c.sort]">
          <span :class="{ sr: c.sort === 'actions' }">{{ c.label }}</span></th></tr></thead>
        <tbody><tr v-for="(row, index) in rows" :key="row.id ?? index" :id="row.anchor" :class="[row.tone, { hot: row.anchor && row.anchor === here }]">
          <td v-for="c in columns" :key="c.key" :data-label="c.label" :class="[classes[c.sort], { none: row[c.key] === '—' }]">
            <template v-if="c.sort === 'actions'"><button v-for="[name, label] in row[c.key]" :key="name" type="button"
              class="ghost small" @click="$emit('action', [row.id, name])">{{ label }}</button></template>
            <a v-else-if="c.sort === 'link' && row[c.key].href" :href="row[c.key].href">{{ row[c.key].text }}</a>
            <template v-else-if="c.sort === 'link'">{{ row[c.key].text }}</template>
            <span v-else-if="c.sort === 'badge'" class="badge" :class="['p' + row[c.key].priority, row[c.key].state]" role="img"
              :aria-label="row[c.key].label"><i aria-hidden="true">{{ shapes[row[c.key].priority] }}</i>{{ row[c.key].priority }}</span>
            <span v-else-if="c.sort === 'chip'" class="chip" :class="row[c.key].tone"><i aria-hidden="true">{{ row[c.key].mark }}</i>{{ row[c.key].text }}</span>
            <template v-else>{{ row[c.key] }}</template>
          </td></tr></tbody>
      </table>
      <p v-else class="empty-line" role="status">{{ empty }}</p>
    </div>`,
  props: { columns: Array, rows: Array, empty: String },
  data() { return { shapes: SHAPES, classes: CLASSES, here: decodeURIComponent(location.hash.slice(1)), wide: false }; },
  mounted() {
    if (this.here) document.getElementById(this.here)?.scrollIntoView({ block: "center" });
    this.sizes = new ResizeObserver(() => (this.wide = this.$el.scrollWidth > this.$el.clientWidth));
    this.sizes.observe(this.$el);
  },
  unmounted() { this.sizes.disconnect(); },
};
