// What is told of one feature beside its chart: what it is, its numbers, and more when it is asked for.

const measured = (found, number) => (found.type === "bool" ? "" : value(number, found.type));
const some = (count) => (count ? whole(count) : "");
const always = () => true;
// Name, what is told of a side, and where that is marked.
const ROWS = [
  ["missing", (found, number) => percent(share(found.missing, side(number).rows)), (found, number) => found.missing > 0.5 * side(number).rows],
  ["distinct", (found) => (found.distinct_exact ? "" : "≈ ") + whole(found.distinct)],
  ["mean", (found) => short(found.mean)], ["std", (found) => measured(found, found.std)],
  ["zeros", (found) => (found.zeros === undefined || found.type === "bool" ? "" : percent(share(found.zeros, found.count)))],
  ["NaN", (found) => some(found.nan), always], ["infinite", (found) => some(found.infinite), always],
  ["min", (found) => measured(found, found.min)], ["median", (found) => measured(found, found.median)],
  ["max", (found) => measured(found, found.max)],
  ["weighted mean", (found) => (found.weighted ? short(found.weighted.mean) : "")],
  ["shortest", (found) => (found.string ? whole(found.string.shortest) : "")],
  ["longest", (found) => (found.string ? whole(found.string.longest) : "")],
  ["mean length", (found) => (found.string ? short(found.string.average_length) : "")],
  ["empty", (found) => some(found.string && found.string.empty)],
  ["blank", (found) => some(found.string && found.string.blank)],
  ["padded", (found) => some(found.string && found.string.padded), always],
  ["not ASCII", (found) => some(found.string && found.string.non_ascii)],
  ["damaged", (found) => some(found.string && found.string.damaged + found.string.invalid), always],
  ["longest gap", (found) => (found.time && found.time.gaps.length ? duration(found.time.gaps[0].seconds) : "")],
  ["future", (found) => some(found.time && found.time.future), always],
  ["tells of the label", (found) => (found.association === undefined ? "" : percent(found.association)), (found) => found.association > 0.9],
];

function heads() {
  const cells = view.sides.map((_, number) => element("th", { scope: "col" }, element("span", { class: "key s" + number }), " " + "AB"[number]));
  return element("thead", {}, element("tr", {}, element("th", { scope: "col" }, ""), ...cells));
}

function numbers(feature) {
  const body = element("tbody", {});
  for (const [name, told, hot] of ROWS) {
    const texts = feature.shown.map((found, number) => (found ? told(found, number) || "" : ""));
    if (texts.every((text) => text === "")) continue;
    const cells = texts.map((text, number) =>
      element("td", { class: text && hot && hot(feature.shown[number], number) ? "hot" : "" }, text));
    body.append(element("tr", {}, element("th", { scope: "row" }, name), ...cells));
  }
  return element("div", { class: "numbers" }, element("table", {}, two() ? heads() : null, body));
}

function quantiles(feature) {
  const body = element("tbody", {});
  for (let step = 0; step <= 10; step++) {
    body.append(element("tr", {}, element("th", { scope: "row" }, step * 10 + " %"),
      ...feature.shown.map((found) => element("td", {}, found && found.quantiles.length ? value(found.quantiles[step], found.type) : ""))));
  }
  return element("section", {}, element("h3", {}, "Quantiles"), element("table", {}, two() ? heads() : null, body));
}

function tops(feature, found, number) {
  const body = element("tbody", {});
  for (const [each, count] of found.top) {
    body.append(element("tr", {}, element("td", { class: "text" }, typeof each === "string" ? visible(each, 400) : value(each, found.type)),
      element("td", {}, whole(count)), element("td", {}, percent(share(count, found.count)))));
  }
  const note = found.top_error ? " (counts may be " + whole(found.top_error) + " too low)" : "";
  return element("section", {}, element("h3", {}, "Top values" + (two() ? " of " + "AB"[number] : "") + note), element("table", {}, body));
}

function more(feature) {
  const box = element("details", {}, element("summary", {}, "Quantiles and top values"));
  box.addEventListener("toggle", () => {
    if (!box.open || box.children.length > 1) return;
    const inside = element("div", {});
    if (feature.shown.some((found) => found && found.quantiles.length)) inside.append(quantiles(feature));
    feature.shown.forEach((found, number) => { if (found && found.top.length) inside.append(tops(feature, found, number)); });
    if (!inside.children.length) inside.append(element("p", { class: "quiet" }, "Too many different values to list."));
    box.append(inside);
  });
  return box;
}

const tag = (text) => element("span", { class: "tag" }, text);

function difference(found) {
  const bar = element("i", {});
  bar.style.width = (100 * found.distance).toFixed(1) + "%";
  return element("div", { class: "difference" }, element("b", {}, found.distance.toFixed(3)), element("meter-bar", {}, bar),
    element("span", {}, found.measure + (found.value === null || !found.distance ? "" : ", most at " + visible(found.value, 40))));
}

function heading(feature) {
  const box = element("div", {}, element("h2", {}, visible(feature.name)));
  const types = [...new Set(feature.shown.filter(Boolean).map((found) => found.type))];
  box.append(element("div", { class: "type" }, types.join(" → ") + (feature.name === page.label ? ", the label" : "")));
  const found = feature.difference;
  if (found) {
    const lost = feature.shown.findIndex((each) => !each);
    if (lost >= 0) box.append(tag("only in " + "BA"[lost]));
    else if (types.length > 1) box.append(tag("types differ"));
    if (lost < 0 && Math.abs(found.missing) >= 0.01) {
      box.append(tag("missing " + (found.missing > 0 ? "+" : "−") + percent(Math.abs(found.missing)).replace(" %", " points")));
    }
    if (found.distance !== null && lost < 0) box.append(difference(found));
    else if (lost < 0) box.append(element("div", { class: "difference" }, element("span", {}, found.measure)));
  } else {
    for (const each of feature.shown.filter(Boolean)) {
      if (!each.count) box.append(tag("always missing"));
      else if (each.distinct === 1 && !each.missing) box.append(tag("constant"));
    }
  }
  return box;
}
