// The switch leads to the place that is being read, and the choice is remembered.
for (const link of document.querySelectorAll(".lang-switch a")) {
  link.addEventListener("click", () => {
    link.hash = placeInBoth();
    try {
      localStorage.setItem("blockbook-language", link.dataset.folder);
    } catch { /* storage is off */ }
  });
}

function placeInBoth() {
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  // headings and terms are named by their text, which differs; labels and objects are the same
  if (named && !named.matches("section, dt:not(.sig)")) {
    const box = named.getBoundingClientRect();
    if (box.bottom > 0 && box.top < innerHeight) return location.hash;
  }
  if (scrollY === 0) return "";
  const passed = [...document.querySelectorAll("article [id^='part-']:not(#part-0), article dt.sig[id]")]
    .filter((place) => place.getBoundingClientRect().top < innerHeight / 3);
  return passed.at(-1)?.id ?? "";
}

// A menu that is left closes.
for (const menu of document.querySelectorAll("details.header-menu")) {
  const close = () => { menu.open = false; };
  document.addEventListener("click", (event) => menu.contains(event.target) || close());
  menu.addEventListener("focusout", (event) => event.relatedTarget && !menu.contains(event.relatedTarget) && close());
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      menu.querySelector("summary").focus();
    }
  });
  for (const button of menu.querySelectorAll("button")) button.addEventListener("click", close);
}

// From disk no page may read another, as the search does to quote it.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Paper is white.
{
  const { dataset } = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => {
    theme = dataset.theme;
    dataset.theme = "light";
  });
  addEventListener("afterprint", () => { dataset.theme = theme; });
}

// Sphinx makes this link before it knows our words, and of a kind that the policy forbids.
for (const link of document.querySelectorAll(".highlight-link a")) {
  link.textContent = _("Hide Search Matches");
  link.href = "#";
  link.addEventListener("click", (event) => {
    event.preventDefault();
    SphinxHighlight.hideSearchWords();
  });
}
