// Draws the charts, sorts the table, switches the theme. Everything shown was prepared before.
"use strict";

(() => {
  const prepared = JSON.parse(document.getElementById("charts").textContent);
  const options = {
    mode: "vega-lite",
    actions: false,
    renderer: "svg",
    ast: true, // expressions are interpreted: the page allows no code made of text
    defaultStyle: false,
    config: prepared.config,
    tooltip: { disableDefaultStyle: true },
  };

  function setUp(figure) {
    const { data, views } = prepared.figures[figure.dataset.figure];
    const selects = [...figure.querySelectorAll("select")];
    const caption = figure.querySelector("figcaption");
    let drawn = null;
    let before = Promise.resolve();
    const draw = async () => {
      const { spec, caption: text } = views[selects.map((select) => select.value).join(" ")];
      const datasets = { ...prepared.data, ...data, ...spec.datasets };
      drawn?.finalize();
      drawn = await vegaEmbed(figure.querySelector(".chart"), { ...spec, datasets }, options);
      if (text && caption.textContent !== text) caption.textContent = text;
    };
    const redraw = () => (before = before.then(draw)); // one after the other, however quickly they are asked for
    selects.forEach((select) => select.addEventListener("change", redraw));
    return redraw();
  }

  function makeSortable(table) {
    const headings = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const value = (row, column) => row.cells[column].dataset.value;
    const compare = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b) : Number(a) - Number(b));
    headings.forEach((heading, column) => {
      heading.querySelector("button")?.addEventListener("click", () => {
        const rising = heading.getAttribute("aria-sort") !== "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const rows = [...body.rows].sort((one, other) => {
          const [a, b] = [value(one, column), value(other, column)];
          if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
          return rising ? compare(a, b) : compare(b, a);
        });
        body.classList.remove("grouped"); // what was beside each other is no longer
        body.append(...rows);
      });
    });
  }

  function setUpTheme(button) {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const root = document.documentElement;
    const show = () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
      button.setAttribute("aria-pressed", String(dark));
    };
    button.addEventListener("click", () => {
      root.dataset.theme = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
      show();
    });
    system.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  setUpTheme(document.getElementById("theme"));
  document.querySelectorAll("table.numbers").forEach(makeSortable);
  document.querySelectorAll("figure[data-figure]").forEach(setUp);
})();
