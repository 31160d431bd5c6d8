// The list of features: which view, filtered and sorted how, drawn where it is seen.

const PORTION = 60; // so many features are in the document before more are scrolled to
const articles = new Map();
let listed = [];

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) fill(entry.target);
}, { rootMargin: "600px 0px" });

function article(feature) {
  let found = articles.get(feature);
  if (!found) {
    found = element("article", { tabIndex: -1, "aria-label": visible(feature.name, 80) }, element("h2", {}, visible(feature.name)));
    found.feature = feature;
    articles.set(feature, found);
    seen.observe(found);
  }
  return found;
}

const drawnAs = () => page.views.indexOf(view) + (logarithmic ? "log" : "share");

function fill(target) {
  if (target.filled === drawnAs()) return;
  const open = target.querySelector("details[open]");
  target.filled = drawnAs();
  const extra = more(target.feature);
  target.replaceChildren(heading(target.feature), chart(target.feature), numbers(target.feature), extra);
  if (open) extra.open = true;
}

function redraw() {
  logarithmic = at("scale").value === "log";
  for (const target of articles.values()) {
    if (!target.isConnected) continue;
    const place = target.getBoundingClientRect();
    if (place.bottom > -600 && place.top < innerHeight + 600) fill(target);
    else { seen.unobserve(target); seen.observe(target); } // it is drawn when it comes into view again
  }
}

const largest = (feature, told) => Math.max(...feature.shown.map((found, number) => (found ? told(found, number) : -1)));
const ORDERS = {
  difference: ["difference", (feature) => (feature.difference && feature.difference.distance !== null ? feature.difference.distance : -1), true],
  missing_change: ["change of missing", (feature) => (feature.difference ? Math.abs(feature.difference.missing) : -1), true],
  association: ["what it tells of the label", (feature) => largest(feature, (found) => found.association ?? -1), true],
  order: ["order in the data", (feature) => feature.order, false],
  name: ["name", (feature) => feature.name, false],
  type: ["type", (feature) => whatIs(feature).type, false],
  missing: ["missing", (feature) => largest(feature, (_, number) => missing(feature, number) ?? -1), true],
  distinct: ["distinct values", (feature) => largest(feature, (found) => found.distinct), true],
  zeros: ["zeros", (feature) => largest(feature, (found) => (found.zeros === undefined ? -1 : share(found.zeros, found.count))), true],
  top: ["share of the top value", (feature) => largest(feature, (found) => (found.top.length ? share(found.top[0][1], found.count) : -1)), true],
};
let falling = true;

function compare(first, second) {
  return first < second ? -1 : first > second ? 1 : 0;
}

function list() {
  const wanted = at("filter").value.toLowerCase(), type = at("type").value, told = ORDERS[at("sort").value][1];
  const found = page.features.filter((feature) => feature.shown.some(Boolean) &&
    (!type || feature.shown.some((each) => each && each.type === type)) && (!wanted || feature.text.includes(wanted)));
  const keyed = found.map((feature) => [told(feature), feature]);
  keyed.sort((first, second) => (falling ? -1 : 1) * compare(first[0], second[0]) || first[1].order - second[1].order);
  listed = keyed.map(([, feature]) => feature);
  at("features").replaceChildren();
  extend();
  at("shown").textContent = whole(found.length) + (found.length === page.features.length ? "" : " of " + whole(page.features.length)) + " features";
  at("none").hidden = found.length > 0;
  at("direction").textContent = falling ? "↓ descending" : "↑ ascending";
}

function extend() {
  const shown = at("features").children.length;
  at("features").append(...listed.slice(shown, shown + PORTION).map(article));
  at("end").hidden = shown + PORTION >= listed.length;
  at("end").textContent = whole(Math.max(listed.length - shown - PORTION, 0)) + " more features follow";
}

// j and k go from feature to feature, / goes to the filter, Escape leaves it.
function keys(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && event.target === at("filter")) { at("filter").value = ""; list(); at("filter").blur(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); at("filter").focus(); return; }
  if (event.key !== "j" && event.key !== "k") return;
  const all = [...at("features").children], now = all.indexOf(document.activeElement.closest("article"));
  if (event.key === "j" && now === all.length - 1 && all.length < listed.length) { extend(); all.push(...[...at("features").children].slice(all.length)); }
  const next = all[Math.min(Math.max(now + (event.key === "j" ? 1 : -1), 0), all.length - 1)];
  if (next) { next.focus({ preventScroll: true }); next.scrollIntoView({ block: "nearest" }); }
}

// ---- views -------------------------------------------------------------------------------------------------------

function size(number) {
  const found = side(number), counts = Object.entries(found.bad_rows), bad = counts.reduce((sum, [, count]) => sum + count, 0);
  const reasons = counts.map(([reason, count]) => whole(count) + " " + visible(reason, 40).replaceAll("_", " "));
  return element("span", {}, whole(found.rows) + " rows, " + whole(found.features) + " features" + (bad ? ", " : ""),
    bad ? element("em", {}, whole(bad) + " bad rows left out (" + reasons.join(", ") + ")") : null);
}

function show(number) {
  view = page.views[number];
  for (const feature of page.features) {
    feature.shown = view.sides.map((index) => feature.sides[index]);
    feature.chart = feature.charts[number];
    feature.difference = feature.differences[number];
  }
  at("sides").replaceChildren(...view.sides.map((_, number) => element("div", { class: "side" },
    two() ? element("span", { class: "key s" + number }) : null, two() ? element("b", {}, "AB"[number] + "  " + visible(side(number).name)) : null, size(number))));
  at("notes").textContent = two()
    ? "Difference, from 0 to 1: of categories the greatest change of one value's share (L-infinity), of numbers the Jensen-Shannon divergence (base 2) of ten equal bins, as TensorFlow Data Validation defines them. Missing rows are not part of either."
    : "Shares in charts are of the rows that have a value. Point at a bar to see its rows.";
  const orders = Object.keys(ORDERS).filter((order) => (two() || !["difference", "missing_change"].includes(order)) &&
    (order !== "association" || page.features.some((feature) => feature.shown.some((found) => found && found.association !== undefined))));
  const before = at("sort").value;
  at("sort").replaceChildren(...orders.map((order) => element("option", { value: order }, ORDERS[order][0])));
  const kept = orders.includes(before) && !(two() && before === "order");
  at("sort").value = kept ? before : two() ? "difference" : "order";
  if (!kept) falling = ORDERS[at("sort").value][2];
  articles.clear();
  seen.disconnect();
  list();
}

function start() {
  at("title").textContent = visible(page.title);
  page.features.forEach((feature, index) => {
    feature.order = index;
    const shown = feature.charts[0].values ? feature.charts[0].values.values : [];
    feature.text = [feature.name, ...shown].join("\n").toLowerCase();
  });
  const types = [...new Set(page.features.flatMap((feature) => feature.sides.filter(Boolean).map((found) => found.type)))].sort();
  at("type").append(...["", ...types].map((type) => element("option", { value: type }, type || "all")));
  at("view").append(...page.views.map((each, number) => element("option", { value: number }, visible(each.name, 60))));
  at("views").hidden = page.views.length < 2;
  at("view").addEventListener("change", () => show(Number(at("view").value)));
  at("filter").addEventListener("input", list);
  at("type").addEventListener("change", list);
  at("sort").addEventListener("change", () => { falling = ORDERS[at("sort").value][2]; list(); });
  at("direction").addEventListener("click", () => { falling = !falling; list(); });
  at("scale").addEventListener("change", redraw);
  at("tools").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", keys);
  show(0);
  new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) extend(); }, { rootMargin: "2000px 0px" }).observe(at("end"));
  document.documentElement.dataset.ready = "yes";
}

start();
