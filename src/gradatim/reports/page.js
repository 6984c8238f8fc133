(function () {
  var root = document.documentElement, button = document.getElementById("theme");
  var next = { auto: "light", light: "dark", dark: "auto" }, now = "auto";
  function show(theme) {
    now = theme;
    if (theme === "auto") { root.removeAttribute("data-theme"); } else { root.setAttribute("data-theme", theme); }
    button.textContent = "Theme: " + theme;
  }
  try { now = localStorage.getItem("gradatim-theme") || "auto"; } catch (e) { now = "auto"; }
  button.hidden = false;
  show(next[now] ? now : "auto");
  button.addEventListener("click", function () {
    show(next[now]);
    try { localStorage.setItem("gradatim-theme", now); } catch (e) { return; }
  });
})();
