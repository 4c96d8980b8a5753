// Rows that are filled in and put in order: the stops of a route, what is looked at at a checkpoint.
// Alt and an arrow move the row in which one types; the keyboard stays where it was.
export default {
  template: `
    <div>
      <div class="rows"><div v-for="(row, index) in list" :key="row.key" role="group" :aria-label="t.row + ' ' + (index + 1)"
          @keydown.alt.up.prevent="move(index, -1)" @keydown.alt.down.prevent="move(index, 1)">
        <label v-for="c in columns" :key="c.key" :class="c.sort === 'tick' ? 'tick' : c.short ? 'short' : ''">
          <template v-if="c.sort === 'tick'"><input type="checkbox" :checked="row[c.key]" @change="set(row, c.key, $event.target.checked)"><span>{{ c.label }}</span></template>
          <template v-else><span class="muted">{{ c.label }}</span>
            <select v-if="c.options" class="search" :value="row[c.key]" @change="set(row, c.key, $event.target.value)">
              <option v-for="[value, label] in c.options" :key="value" :value="value">{{ label }}</option></select>
            <input v-else class="search" type="text" maxlength="200" :value="row[c.key]" @input="set(row, c.key, $event.target.value)"></template>
        </label>
        <span class="ways">
          <button type="button" class="ghost" :aria-disabled="index === 0" :aria-label="t.up" :title="t.up" data-way="up" @click="move(index, -1)">↑</button>
          <button type="button" class="ghost" :aria-disabled="index === list.length - 1" :aria-label="t.down" :title="t.down" data-way="down" @click="move(index, 1)">↓</button>
          <button type="button" class="ghost" :aria-label="t.remove" :title="t.remove" @click="remove(index)">✕</button>
        </span>
      </div></div>
      <p class="sr" role="status">{{ said }}</p>
      <button type="button" class="ghost" ref="add" @click="add">＋ {{ t.add }}</button>
    </div>`,
  props: { rows: Array, columns: Array, fresh: Object, most: Number, t: Object },
  data() { return { list: this.rows.map((row, key) => ({ ...row, key })), last: this.rows.length, said: "" }; },
  methods: {
    set(row, key, value) { row[key] = value; this.tell(); },
    tell() { this.$emit("rows", JSON.stringify(this.list.map(({ key, ...row }) => row))); },
    add() {
      if (this.list.length >= this.most) return;
      this.list.push({ ...this.fresh, key: this.last++ });
      this.tell();
      this.$nextTick(() => this.$el.querySelector(".rows > :last-child input, .rows > :last-child select")?.focus());
    },
    remove(index) { this.list.splice(index, 1); this.tell(); this.$refs.add.focus(); },
    move(index, by) {
      const to = index + by;
      if (to < 0 || to >= this.list.length) return;
      const held = document.activeElement;
      this.list.splice(to, 0, ...this.list.splice(index, 1));
      this.said = `${this.t.row} ${to + 1} / ${this.list.length}`;
      this.tell();
      this.$nextTick(() => held?.focus());  // a row that was moved lost it
    },
  },
};
