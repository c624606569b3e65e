"use strict";
(() => {
  const body = document.querySelector("#table tbody");
  const rows = Array.from(body.rows);
  const chips = Array.from(document.querySelectorAll(".chip"));
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const dialog = document.getElementById("dialog");
  const sheet = document.getElementById("sheet");
  let meanings = null;
  let texts = null;

  // ---- search and filter ----
  const show = () => {
    texts ??= rows.map((row) => `${row.textContent} ${row.dataset.search}`.toLowerCase());
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.state);
    let shown = 0;
    rows.forEach((row, at) => {
      const fits = words.every((word) => texts[at].includes(word)) && (!states.length || states.includes(row.dataset.state));
      row.hidden = !fits;
      shown += fits;
    });
    const all = `${rows.length.toLocaleString("en")} ${rows.length === 1 ? "dataset" : "datasets"}`;
    count.textContent = shown === rows.length ? all : `${shown.toLocaleString("en")} of ${all}`;
    document.getElementById("nothing").hidden = shown > 0 || !rows.length;
  };
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(show, 80); });
  document.querySelector(".tools").addEventListener("submit", (event) => { event.preventDefault(); show(); });
  chips.forEach((chip) => chip.addEventListener("click", () => { chip.ariaPressed = String(chip.ariaPressed !== "true"); show(); }));
  document.getElementById("clear").addEventListener("click", () => { search.value = ""; chips.forEach((chip) => { chip.ariaPressed = "false"; }); show(); search.focus(); });

  // ---- sort ----
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  document.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => {
    const header = button.closest("th");
    const column = Number(button.dataset.sort);
    const numeric = "number" in button.dataset;
    const first = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = header.ariaSort === first ? other : first;
    document.querySelectorAll("#table thead th[aria-sort]").forEach((th) => { th.ariaSort = "none"; });
    header.ariaSort = order;
    const sign = order === "ascending" ? 1 : -1;
    const key = numeric ? (row) => Number(row.cells[column].dataset.v) : (row) => row.cells[column].textContent;
    const keyed = Array.from(body.rows, (row) => [key(row), row]);
    keyed.sort(numeric ? (a, b) => sign * (a[0] - b[0]) : (a, b) => sign * collator.compare(a[0], b[0]));
    body.append(...keyed.map((pair) => pair[1]));
  }));

  // ---- one dataset ----
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  // Only addresses that the report itself made: of the web, or of files next to it.
  const safe = (href) => (/^(https?:\/\/|file:\/\/)/.test(href) || !/^[a-z][a-z0-9+.-]*:/i.test(href) ? href : "#");
  const link = (text, href) => make("a", { href: safe(href), textContent: text, target: /^https?:/.test(href) ? "_blank" : "", rel: "noreferrer" });
  const cell = (value) => (value && typeof value === "object" ? link(value.text, value.href) : value);
  const copy = (command) => make("code", { textContent: command, tabIndex: 0, title: "command" });

  const picture = (pictures, name) => {
    if (!pictures.image) return null;
    const over = pictures.labels ? make("img", { className: "over", src: pictures.labels, alt: "", hidden: true }) : null;
    const stack = make("div", { className: "stack" }, make("img", { src: pictures.image, alt: `Preview of ${name}` }), over);
    const toggle = over && make("label", {}, make("input", { type: "checkbox", id: "overlay", onchange: (event) => { over.hidden = !event.target.checked; } }), ` labels: ${pictures.labelName}`);
    const channels = make("ul", { className: "channels" }, ...pictures.channels.map((channel) => {
      const swatch = make("i");
      swatch.style.background = channel.color;
      return make("li", {}, swatch, make("span", { textContent: channel.label }), make("span", { className: "quiet", textContent: channel.active ? `${channel.window} (${channel.from})` : "not shown" }));
    }));
    return make("figure", {}, stack, make("figcaption", {}, pictures.caption), channels, toggle);
  };

  const table = (data) => {
    const findings = data.title === "Findings";
    const head = findings ? [...data.head, "meaning"] : data.head;
    const lines = data.rows.map((row) => make("tr", {}, ...row.map((value, at) => make("td", { className: findings && at === 0 ? value : /^[0-9a-f]{32,}$/.test(value) ? "wide mono" : String(value.text ?? value).length > 40 ? "wide" : "" }, cell(value))),
      findings ? make("td", { className: "wide" }, meanings[row[1]] ?? "", meanings[row[1]] && dialog.dataset.findings ? " " : "", meanings[row[1]] && dialog.dataset.findings ? link("FINDINGS.md", dialog.dataset.findings) : "") : null));
    return [
      make("h3", { textContent: data.title }),
      make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: data.title }, make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col", textContent: name })))), make("tbody", {}, ...lines))),
      data.leftOut ? make("p", { className: "after", textContent: `${data.leftOut.toLocaleString("en")} more are in ${data.file}.` }) : null,
      data.note ? make("p", { className: "after", textContent: data.note }) : null,
    ];
  };

  const viewers = (open) => [
    make("h3", { textContent: "Open in" }),
    open.serve ? make("div", { className: "commands" }, "Serve it on this computer first, then follow a link:", copy(open.serve)) : make("p", { className: "quiet", textContent: "These work where everyone may read the output." }),
    make("ul", { className: "links" }, ...open.links.map(([name, url]) => make("li", {}, link(name, url)))),
    make("div", { className: "commands" }, "napari, with the plugin napari-ome-zarr:", copy(open.napari)),
  ];

  const open = (at) => {
    const text = document.getElementById(`j${at}`);
    if (!text) return;
    meanings ??= JSON.parse(document.getElementById("meanings").textContent);
    const data = JSON.parse(text.textContent);
    const order = Array.from(body.rows).filter((row) => !row.hidden).map((row) => row.id.slice(1));
    const here = order.indexOf(String(at));
    const step = (name, to) => make("button", { type: "button", className: "plain", textContent: name, disabled: here < 0 || order[to] === undefined, onclick: () => location.replace(`#d${order[to]}`) });
    const shown = picture(data.pictures ?? {}, data.dataset);
    const facts = make("dl", { className: "facts" }, ...data.facts.flatMap(([label, value]) => [make("dt", { textContent: label }), make("dd", {}, cell(value))]));
    const close = make("button", { type: "button", className: "plain", textContent: "Close", onclick: () => dialog.close() });
    sheet.replaceChildren(
      make("div", { className: "bar" }, make("h2", { id: "title", textContent: data.dataset }), step("Previous", here - 1), step("Next", here + 1), close),
      make("div", { className: "body" },
        make("p", { className: "lead" }, make("span", { className: `badge ${data.state}`, textContent: data.label }), data.message),
        make("div", { className: shown ? "columns pictured" : "columns" }, shown, make("div", {}, facts, make("ul", { className: "links" }, ...data.links.map(([name, href]) => make("li", {}, link(name, href)))))),
        ...(data.open ? viewers(data.open) : []), ...data.tables.flatMap(table)),
    );
    if (!dialog.open) dialog.showModal();
    sheet.scrollTop = 0;
    close.focus();
  };
  const follow = () => { const at = /^#d(\d+)$/.exec(location.hash); if (at) open(at[1]); else if (dialog.open) dialog.close(); };
  dialog.addEventListener("close", () => {
    const at = /^#d(\d+)$/.exec(location.hash);
    if (!at) return;
    history.replaceState(null, "", location.pathname + location.search);
    document.querySelector(`#r${at[1]} a`)?.focus();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a") && !String(getSelection())) location.hash = `#d${row.id.slice(1)}`;
  });
  addEventListener("hashchange", follow);
  show();
  follow();
})();
