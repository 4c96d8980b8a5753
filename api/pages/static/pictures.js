// Stored pictures as thumbnails that open large; one that is past its days is told, not shown broken. One that could not be
// loaded may be there after all: it is tried again when pressed, and is gone only when the hub says so.
// Escape closes the large one only, and not the dialog that it may stand in, which listens for the key's release.
export default {
  template: `
    <div>
      <ul v-if="items.length" class="pictures">
        <li v-for="(one, index) in items" :key="one.id">
          <button type="button" :disabled="one.gone || gone[one.id]" :aria-label="one.label" @click="open(index)">
            <span v-if="one.gone || gone[one.id]">{{ t.gone }}</span>
            <span v-else-if="failed[one.id]" role="status">{{ t.failed }}</span>
            <img v-else :src="source(one)" alt="" loading="lazy" @error="missed(one)"></button>
          <small>{{ one.label }}</small>
        </li>
      </ul>
      <p v-else class="empty-line">{{ t.none }}</p>
      <dialog ref="large" class="large" :aria-label="shown?.label" @click.self="$refs.large.close()" @close="at = null" @keydown="turn"
        @keydown.esc.prevent @keyup.esc.stop="$refs.large.close()">
        <template v-if="shown">
          <img :src="source(shown)" :alt="shown.label">
          <p>{{ shown.label }}</p>
          <div class="actions"><a class="ghost" :href="source(shown)" :download="shown.id + '.jpg'">{{ t.save }}</a>
            <button type="button" class="solid" autofocus @click="$refs.large.close()">{{ t.close }}</button></div>
        </template>
      </dialog>
    </div>`,
  props: { items: Array, t: Object },
  data() { return { at: null, gone: {}, failed: {} }; },
  computed: { shown() { return this.at === null ? null : this.items[this.at]; } },
  methods: {
    source(one) { return `/api/v1/pictures/${one.id}`; },
    async missed(one) {
      this.failed[one.id] = true;
      const answer = await fetch(this.source(one)).catch(() => null);
      if (answer?.status === 410) this.gone[one.id] = true;
      answer?.body?.cancel();
    },
    open(index) {
      const { id } = this.items[index];
      if (this.failed[id]) return void (this.failed[id] = false);
      this.at = index;
      this.$refs.large.showModal();
    },
    turn(event) {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) this.at = Math.min(this.items.length - 1, Math.max(0, this.at + step));
    },
  },
};
