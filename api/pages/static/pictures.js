// Stored pictures as thumbnails that open large; one that is past its days is told, not shown broken.
// Escape closes the large one only, and not the dialog that it may stand in, which listens for the key's release.
export default {
  template: `
    <div>
      <ul v-if="items.length" class="pictures">
        <li v-for="(one, index) in items" :key="one.id">
          <button type="button" :disabled="gone[one.id]" :aria-label="one.label" @click="open(index)">
            <span v-if="one.gone || gone[one.id]">{{ t.gone }}</span>
            <img v-else :src="source(one)" alt="" loading="lazy" @error="gone[one.id] = true"></button>
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
  data() { return { at: null, gone: {} }; },
  computed: { shown() { return this.at === null ? null : this.items[this.at]; } },
  methods: {
    source(one) { return `/api/v1/pictures/${one.id}`; },
    open(index) {
      this.at = index;
      this.$refs.large.showModal();
    },
    turn(event) {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) this.at = Math.min(this.items.length - 1, Math.max(0, this.at + step));
    },
  },
};
