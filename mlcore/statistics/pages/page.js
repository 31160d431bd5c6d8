"use strict";
// Everything that comes from data is set as text, never as markup.
(() => {
  const page = JSON.parse(document.getElementById("values").textContent);
  const two = page.sides.length === 2;
  const at = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  function element(name, properties, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key === "class") made.className = value;
      else if (key.startsWith("aria-") || key === "scope" || key === "colspan" || key === "role") made.setAttribute(key, value);
      else made[key] = value;
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  function shape(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // ---- numbers and texts -------------------------------------------------------------------------------------

  const whole = (number) => number.toLocaleString("en-US");
  function short(number) {
    if (typeof number !== "number") return number === undefined || number === null ? "" : String(number);
    if (Number.isInteger(number) && Math.abs(number) < 1e7) return Math.abs(number) < 1e4 ? String(number) : whole(number);
    const size = Math.abs(number);
    if (size !== 0 && (size >= 1e7 || size < 1e-4)) return number.toExponential(3).replace(/\.?0+e/, "e");
    return number.toLocaleString("en-US", { maximumSignificantDigits: size >= 1000 ? 6 : 4, useGrouping: size >= 1e4 });
  }
  function percent(share) {
    if (share === 0 || share === 1) return share * 100 + " %";
    const size = Math.abs(share * 100);
    return (size < 0.01 ? (share < 0 ? "> -0.01" : "< 0.01") : (share * 100).toFixed(size < 1 ? 2 : 1)) + " %";
  }
  const moment = (micros, days) => {
    const date = new Date(micros / 1000);
    if (Number.isNaN(date.getTime())) return short(micros);
    return date.toISOString().slice(0, days ? 10 : 16).replace("T", " ");
  };
  // Control, bidirectional and invisible characters are made visible, so that no name looks like another.
  const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
  function visible(text, most) {
    const shown = String(text).replace(HIDDEN, (mark) => "\\u" + mark.charCodeAt(0).toString(16).padStart(4, "0"));
    const cut = most && shown.length > most ? shown.slice(0, most - 1) + "…" : shown;
    return cut === "" ? "(empty)" : cut;
  }
  function value(found, type) {
    if (found === undefined || found === null) return "";
    if (typeof found === "boolean") return String(found);
    if (typeof found === "number") return short(found);
    return (type === "timestamp" || type === "date") && typeof found === "string"
      ? found.replace("T", " ").replace("+00:00", "").replace(/(\d\d:\d\d):00$/, "$1") : visible(found, 60);
  }

  const side = (feature) => feature.sides[0] || feature.sides[1];
  const rows = (number) => page.sides[number].rows;
  const missing = (feature, number) => {
    const found = feature.sides[number];
    return found && rows(number) ? found.missing / rows(number) : null;
  };
  const share = (part, all) => (all ? part / all : 0);

  // ---- charts ------------------------------------------------------------------------------------------------

  const WIDE = 460, HIGH = 132;
  let logarithmic = false;

  function heights(counts, number, all) {
    return counts.map((count) => (logarithmic ? Math.log10(1 + count) : share(count, all)));
  }

  function present(feature, number) {
    return feature.sides[number] ? feature.sides[number].count : 0;
  }

  function bars(feature, bins) {
    const days = feature.sides.some((found) => found && found.type === "date");
    const times = feature.chart.kind === "times";
    const label = (number) => (times ? moment(number, days) : short(number));
    const drawn = page.sides.map((_, number) => heights(bins.counts[number], number, present(feature, number)));
    const most = Math.max(...drawn.flat(), 1e-300);
    const size = bins.counts[0].length, step = WIDE / size, ground = HIGH - 20;
    const high = (amount) => (amount / most) * (ground - 6);
    const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "Distribution of " + visible(feature.name, 60) + ", from " + label(bins.low) + " to " + label(bins.high) + "; " + page.sides.map((found, number) => (two ? visible(found.name, 40) + ": " : "") + whole(present(feature, number)) + " values").join(", ") });
    if (feature.sides[0]) {
      drawn[0].forEach((amount, index) => {
        if (amount) svg.append(shape("rect", { class: two ? "soft" : "soft only", x: index * step + 0.5, width: Math.max(step - 1, 0.5), y: ground - high(amount), height: high(amount) }));
      });
    }
    if (two && feature.sides[1]) {
      let path = `M0 ${ground}`;
      drawn[1].forEach((amount, index) => { path += `V${(ground - high(amount)).toFixed(2)}H${((index + 1) * step).toFixed(2)}`; });
      svg.append(shape("path", { class: "line", d: path + `V${ground}` }));
    }
    svg.append(shape("line", { class: "axis", x1: 0, x2: WIDE, y1: ground, y2: ground }));
    const middle = bins.low / 2 + bins.high / 2;
    const first = bins.whole ? bins.low + 0.5 : bins.low, last = bins.whole ? bins.high - 0.5 : bins.high;
    for (const [place, anchor, number] of [[0, "start", first], [WIDE / 2, "middle", middle], [WIDE, "end", last]]) {
      if (bins.high > bins.low || place === WIDE / 2) svg.append(shape("text", { x: place, y: HIGH - 6, "text-anchor": anchor }, label(number)));
    }
    for (let index = 0; index < size; index++) {
      const width = (bins.high - bins.low) / size, low = bins.low + index * width;
      const told = page.sides.map((found, number) => {
        const count = bins.counts[number][index];
        return (two ? visible(found.name, 40) + ": " : "") + whole(count) + " rows (" + percent(share(count, present(feature, number))) + ")";
      });
      const from = bins.whole ? label(low + 0.5) : label(low), to = bins.whole ? label(low + width - 0.5) : label(low + width);
      const title = shape("title", {}, (from === to ? from : from + " to " + to) + "\n" + told.join("\n"));
      svg.append(shape("rect", { class: "hit", x: index * step, y: 0, width: step, height: ground }, title));
    }
    const beyond = page.sides.reduce((sum, _, number) => sum + bins.below[number] + bins.above[number], 0);
    return beyond ? [svg, element("div", { class: "quiet" }, whole(beyond) + " rows are beyond these bounds")] : [svg];
  }

  function lines(feature, counted) {
    const names = counted.values.map((name) => visible(name, 19)), counts = counted.counts.map((each) => [...each]);
    const full = counted.values.map((name) => visible(name, 400));
    if (counted.others.some((count) => count)) {
      names.push("all others"); full.push("all others");
      counted.others.forEach((count, number) => counts[number].push(count));
    }
    const line = two ? 26 : 18, left = 150, room = WIDE - left - 56;
    const drawn = page.sides.map((_, number) => heights(counts[number], number, present(feature, number)));
    const most = Math.max(...drawn.flat(), 1e-300);
    const svg = shape("svg", { class: "values", viewBox: `0 0 ${WIDE} ${Math.max(names.length, 1) * line}`, role: "img", "aria-label": "Most frequent values of " + visible(feature.name, 60) + ": " + names.slice(0, 3).join(", ") });
    names.forEach((name, index) => {
      const top = index * line, told = [];
      svg.append(shape("text", { class: "name", x: left - 8, y: top + line / 2 + 4, "text-anchor": "end" }, name));
      page.sides.forEach((found, number) => {
        if (!feature.sides[number]) return;
        const part = share(counts[number][index], present(feature, number));
        const wide = (drawn[number][index] / most) * room, bar = two ? 10 : 12, y = top + 2 + (two ? number * 11 : 1);
        svg.append(shape("rect", { class: "a" + number, x: left, y, width: wide ? Math.max(wide, 1) : 0, height: bar, rx: 1.5 }));
        svg.append(shape("text", { class: two ? "small" : "", x: left + wide + 5, y: y + (two ? 8.5 : 10) }, percent(part)));
        told.push((two ? visible(found.name, 40) + ": " : "") + whole(counts[number][index]) + " rows (" + percent(part) + ")");
      });
      svg.append(shape("rect", { class: "hit", x: 0, y: top, width: WIDE, height: line }, shape("title", {}, full[index] + "\n" + told.join("\n"))));
    });
    return [svg];
  }

  function chart(feature) {
    const { bins, middle, values } = feature.chart;
    const figure = element("figure", {});
    if (values && values.values.length) figure.append(...lines(feature, values));
    else if (bins) {
      let zoomed = Boolean(middle);
      const drawing = element("div", {});
      const draw = () => drawing.replaceChildren(...bars(feature, zoomed ? middle : bins));
      if (middle) {
        const choice = element("div", { class: "choice" });
        const buttons = [["middle 98 %", true], ["full range", false]].map(([name, to]) =>
          element("button", { type: "button", onclick: () => { zoomed = to; draw(); show(); } }, name));
        const show = () => buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(zoomed === (index === 0))));
        choice.append(buttons[0], " ", buttons[1]);
        show();
        figure.append(choice);
      }
      draw();
      figure.append(drawing);
    } else {
      const types = feature.sides.filter(Boolean).map((found) => found.type);
      const none = feature.sides.every((found) => !found || !found.count);
      figure.append(element("p", { class: "quiet" }, none ? "No row has a value." : "Values of " + types.join(" and ") + " cannot be drawn together."));
    }
    return figure;
  }

  // ---- a feature ---------------------------------------------------------------------------------------------

  const measured = (found, number) => (found.type === "bool" ? "" : value(number, found.type));
  const ROWS = [
    ["missing", (found, number) => percent(share(found.missing, rows(number))), (found, number) => found.missing > 0.5 * rows(number)],
    ["distinct", (found) => (found.distinct_exact ? "" : "≈ ") + whole(found.distinct)],
    ["mean", (found) => short(found.mean)], ["std", (found) => measured(found, found.std)],
    ["zeros", (found) => (found.zeros === undefined || found.type === "bool" ? "" : percent(share(found.zeros, found.count)))],
    ["NaN", (found) => (found.nan ? whole(found.nan) : ""), (found) => found.nan > 0],
    ["infinite", (found) => (found.infinite ? whole(found.infinite) : ""), (found) => found.infinite > 0],
    ["min", (found) => measured(found, found.min)], ["median", (found) => measured(found, found.median)],
    ["max", (found) => measured(found, found.max)],
    ["shortest", (found) => (found.string ? whole(found.string.shortest) : "")],
    ["longest", (found) => (found.string ? whole(found.string.longest) : "")],
    ["mean length", (found) => (found.string ? short(found.string.average_length) : "")],
    ["empty", (found) => (found.string && found.string.empty ? whole(found.string.empty) : "")],
    ["blank", (found) => (found.string && found.string.blank ? whole(found.string.blank) : "")],
    ["padded", (found) => (found.string && found.string.padded ? whole(found.string.padded) : ""), () => true],
    ["damaged", (found) => (found.string && found.string.damaged + found.string.invalid ? whole(found.string.damaged + found.string.invalid) : ""), () => true],
    ["future", (found) => (found.time && found.time.future ? whole(found.time.future) : ""), () => true],
    ["tells of the label", (found) => (found.association === undefined ? "" : percent(found.association)), (found) => found.association > 0.9],
  ];

  function heads() {
    const cells = page.sides.map((_, number) => element("th", { scope: "col" }, element("span", { class: "key s" + number }), " " + "AB"[number]));
    return element("thead", {}, element("tr", {}, element("th", { scope: "col" }, ""), ...cells));
  }

  function numbers(feature) {
    const body = element("tbody", {});
    for (const [name, told, hot] of ROWS) {
      const texts = feature.sides.map((found, number) => (found ? told(found, number) : ""));
      if (texts.every((text) => text === "")) continue;
      const cells = texts.map((text, number) =>
        element("td", { class: text && hot && hot(feature.sides[number], number) ? "hot" : "" }, text));
      body.append(element("tr", {}, element("th", { scope: "row" }, name), ...cells));
    }
    const table = element("table", {}, two ? heads() : null, body);
    return element("div", { class: "numbers" }, table);
  }

  function more(feature) {
    const box = element("details", {}, element("summary", {}, "Quantiles and top values"));
    box.addEventListener("toggle", () => {
      if (!box.open || box.children.length > 1) return;
      const inside = element("div", {});
      if (feature.sides.some((found) => found && found.quantiles.length)) {
        const body = element("tbody", {});
        for (let step = 0; step <= 10; step++) {
          body.append(element("tr", {}, element("th", { scope: "row" }, step * 10 + " %"),
            ...feature.sides.map((found) => element("td", {}, found && found.quantiles.length ? value(found.quantiles[step], found.type) : ""))));
        }
        inside.append(element("section", {}, element("h3", {}, "Quantiles"), element("table", {}, two ? heads() : null, body)));
      }
      feature.sides.forEach((found, number) => {
        if (!found || !found.top.length) return;
        const body = element("tbody", {});
        for (const [each, count] of found.top) {
          body.append(element("tr", {}, element("td", { class: "text" }, typeof each === "string" ? visible(each, 400) : value(each, found.type)),
            element("td", {}, whole(count)), element("td", {}, percent(share(count, found.count)))));
        }
        const note = found.top_error ? " (counts may be " + whole(found.top_error) + " too low)" : "";
        inside.append(element("section", {}, element("h3", {}, "Top values" + (two ? " of " + "AB"[number] : "") + note), element("table", {}, body)));
      });
      if (!inside.children.length) inside.append(element("p", { class: "quiet" }, "Too many different values to list."));
      box.append(inside);
    });
    return box;
  }

  function heading(feature) {
    const box = element("div", {}, element("h2", {}, visible(feature.name)));
    const types = [...new Set(feature.sides.filter(Boolean).map((found) => found.type))];
    box.append(element("div", { class: "type" }, types.join(" → ") + (feature.name === page.label ? ", the label" : "")));
    const found = feature.difference;
    if (found) {
      const lost = feature.sides.findIndex((each) => !each);
      if (lost >= 0) box.append(element("span", { class: "tag" }, "only in " + "BA"[lost]));
      else if (types.length > 1) box.append(element("span", { class: "tag" }, "types differ"));
      if (lost < 0 && Math.abs(found.missing) >= 0.01) {
        box.append(element("span", { class: "tag" }, "missing " + (found.missing > 0 ? "+" : "−") + percent(Math.abs(found.missing)).replace(" %", " points")));
      }
      if (found.distance !== null && lost < 0) {
        const bar = element("i", {});
        bar.style.width = (100 * found.distance).toFixed(1) + "%";
        box.append(element("div", { class: "difference" }, element("b", {}, found.distance.toFixed(3)), element("meter-bar", {}, bar),
          element("span", {}, found.measure + (found.value === null || !found.distance ? "" : ", most at " + visible(found.value, 40)))));
      } else if (lost < 0) box.append(element("div", { class: "difference" }, element("span", {}, found.measure)));
    } else {
      for (const each of feature.sides.filter(Boolean)) {
        if (!each.count) box.append(element("span", { class: "tag" }, "always missing"));
        else if (each.distinct === 1 && !each.missing) box.append(element("span", { class: "tag" }, "constant"));
      }
    }
    return box;
  }

  // ---- the list ----------------------------------------------------------------------------------------------

  const articles = new Map();
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

  function fill(target) {
    if (target.filled === scale()) return;
    const open = target.querySelector("details[open]");
    target.filled = scale();
    const extra = more(target.feature);
    target.replaceChildren(heading(target.feature), chart(target.feature), numbers(target.feature), extra);
    if (open) extra.open = true;
  }

  const scale = () => (logarithmic ? "log" : "share");
  const largest = (feature, told) => Math.max(...feature.sides.map((found, number) => (found ? told(found, number) : -1)));
  const ORDERS = {
    difference: ["difference", (feature) => (feature.difference && feature.difference.distance !== null ? feature.difference.distance : -1), true],
    missing_change: ["change of missing", (feature) => (feature.difference ? Math.abs(feature.difference.missing) : -1), true],
    association: ["what it tells of the label", (feature) => largest(feature, (found) => found.association ?? -1), true],
    order: ["order in the data", (feature) => feature.order, false],
    name: ["name", (feature) => feature.name, false],
    type: ["type", (feature) => side(feature).type, false],
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
    const found = page.features.filter((feature) =>
      (!type || feature.sides.some((each) => each && each.type === type)) && (!wanted || feature.text.includes(wanted)));
    const keyed = found.map((feature) => [told(feature), feature]);
    keyed.sort((first, second) => (falling ? -1 : 1) * compare(first[0], second[0]) || first[1].order - second[1].order);
    at("features").replaceChildren(...keyed.map(([, feature]) => article(feature)));
    at("shown").textContent = whole(found.length) + (found.length === page.features.length ? "" : " of " + whole(page.features.length)) + " features";
    at("none").hidden = found.length > 0;
    at("direction").textContent = falling ? "↓ descending" : "↑ ascending";
  }

  function redraw() {
    logarithmic = at("scale").value === "log";
    for (const target of articles.values()) {
      if (target.isConnected && target.filled) fill(target);
    }
  }

  // j and k go from feature to feature, / goes to the filter, Escape leaves it.
  function keys(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && event.target === at("filter")) { at("filter").value = ""; list(); at("filter").blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); at("filter").focus(); return; }
    if (event.key !== "j" && event.key !== "k") return;
    const all = [...at("features").children], now = all.indexOf(document.activeElement.closest("article"));
    const next = all[Math.min(Math.max(now + (event.key === "j" ? 1 : -1), 0), all.length - 1)];
    if (next) { next.focus({ preventScroll: true }); next.scrollIntoView({ block: "nearest" }); }
  }

  function start() {
    at("title").textContent = visible(page.title);
    page.sides.forEach((found, number) => at("sides").append(element("div", { class: "side" },
      two ? element("span", { class: "key s" + number }) : null, two ? element("b", {}, "AB"[number] + "  " + visible(found.name)) : null,
      element("span", {}, whole(found.rows) + " rows, " + whole(found.features) + " features"))));
    at("notes").textContent = two
      ? "Difference, from 0 to 1: of categories the greatest change of one value's share (L-infinity), of numbers the Jensen-Shannon divergence (base 2) of ten equal bins, as TensorFlow Data Validation defines them. Missing rows are not part of either."
      : "Shares in charts are of the rows that have a value. Point at a bar to see its rows.";
    page.features.forEach((feature, index) => {
      feature.order = index;
      const shown = feature.chart.values ? feature.chart.values.values : [];
      feature.text = [feature.name, ...shown].join("\n").toLowerCase();
    });
    const types = [...new Set(page.features.flatMap((feature) => feature.sides.filter(Boolean).map((found) => found.type)))].sort();
    at("type").append(...["", ...types].map((type) => element("option", { value: type }, type || "all")));
    const orders = Object.keys(ORDERS).filter((order) => (two || !["difference", "missing_change"].includes(order)) &&
      (order !== "association" || page.features.some((feature) => feature.sides.some((found) => found && found.association !== undefined))));
    at("sort").append(...orders.map((order) => element("option", { value: order }, ORDERS[order][0])));
    at("sort").value = two ? "difference" : "order";
    falling = ORDERS[at("sort").value][2];
    at("filter").addEventListener("input", list);
    at("type").addEventListener("change", list);
    at("sort").addEventListener("change", () => { falling = ORDERS[at("sort").value][2]; list(); });
    at("direction").addEventListener("click", () => { falling = !falling; list(); });
    at("scale").addEventListener("change", redraw);
    at("tools").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", keys);
    list();
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
