// A button that takes pictures with the phone's camera, or from its files, and sends each to an address of the hub.
import { shrink } from "/static/shrink.js";

export default {
  template: `
    <label class="ghost" :aria-busy="String(busy)">{{ busy ? t.busy : t.add }}
      <input type="file" accept="image/*" multiple class="sr" :disabled="busy" @change="send"></label>`,
  props: { url: String, t: Object },
  emits: ["sent"],
  data() { return { busy: false }; },
  methods: {
    async send(event) {
      const files = [...event.target.files];
      event.target.value = "";
      this.busy = true;
      let wrong = "";
      for (const file of files) wrong = (await this.post(file)) || wrong;
      this.busy = false;
      this.$emit("sent", wrong);
    },
    // "" when it was taken, else why not.
    async post(file) {
      try {
        const { type, bytes } = await shrink(file);
        const answer = await fetch(this.url, { method: "POST", credentials: "same-origin", headers: { "Content-Type": type }, body: bytes });
        return answer.ok ? "" : (await answer.json()).code;
      } catch {
        return "busy";
      }
    },
  },
};
