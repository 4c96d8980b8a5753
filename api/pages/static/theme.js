// Tells the server by a cookie whether the browser prefers the dark theme; a person's own choice goes before it.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tell = () => {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `hub_scheme=${dark.matches ? "dark" : "light"}; path=/; max-age=31536000; samesite=lax${secure}`;
  };
  tell();
  // A sign-in page has no script of its own to follow the night; a desk keeps its theme until it is loaded again.
  const paint = () => document.querySelector("main.gate") && document.body.classList.toggle("body--dark", dark.matches);
  // Later: a page that is being left may hear of a change that is none.
  dark.addEventListener("change", () => setTimeout(() => { tell(); paint(); }, 500));
  document.addEventListener("DOMContentLoaded", paint);
})();
