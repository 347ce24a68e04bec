// Light or dark: as the system has it, unless the switch said otherwise. A plain script, so that it runs before the
// first pixel and nothing flashes.
(() => {
  const KEPT = "flows-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  // Storage may be forbidden to pages; then the switch lasts as long as the page.
  function kept() {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null;
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem(KEPT, theme);
    } catch {
      /* see kept() */
    }
  }

  function wear(theme) {
    document.documentElement.dataset.theme = theme;
    document.getElementById("theme")?.setAttribute("aria-checked", String(theme === "dark"));
    document.dispatchEvent(new Event("themechange"));
  }

  const usual = () => (system.matches ? "dark" : "light");
  wear(kept() ?? usual());
  system.addEventListener("change", () => kept() ?? wear(usual()));
  document.addEventListener("DOMContentLoaded", () => {
    wear(document.documentElement.dataset.theme);
    document.getElementById("theme").addEventListener("click", () => {
      const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      keep(theme);
      wear(theme);
    });
  });
})();
