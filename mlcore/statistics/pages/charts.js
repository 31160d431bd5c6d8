// A feature's chart: bars of bins, or of single values. What is under the pointer is told by titles, which are made
// when the pointer first comes: a thousand features have tens of thousands of bars.

const NARROW = matchMedia("(max-width: 560px)").matches; // texts inside a chart shrink with it: a phone's is drawn smaller
const WIDE = NARROW ? 330 : 460, HIGH = 132;
let logarithmic = false;

function heights(counts, number, all) {
  return counts.map((count) => (logarithmic ? Math.log10(1 + count) : share(count, all)));
}

function told(svg, areas) {
  svg.addEventListener("pointerenter", () => {
    for (const [x, y, width, height, lines] of areas())
      svg.append(shape("rect", { class: "hit", x, y, width, height }, shape("title", {}, lines.join("\n"))));
  }, { once: true });
}

function bars(feature, bins) {
  const days = feature.shown.some((found) => found && found.type === "date");
  const times = feature.chart.kind === "times";
  const label = (number) => (times ? moment(number, days) : short(number));
  const drawn = bins.counts.map((counts, number) => heights(counts, number, present(feature, number)));
  const most = Math.max(...drawn.flat(), 1e-300);
  const size = bins.counts[0].length, step = WIDE / size, ground = HIGH - 20;
  const high = (amount) => (amount / most) * (ground - 6);
  const name = "Distribution of " + visible(feature.name, 60) + ", from " + label(bins.low) + " to " + label(bins.high) + "; " +
    bins.counts.map((_, number) => (two() ? visible(side(number).name, 40) + ": " : "") + whole(present(feature, number)) + " values").join(", ");
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": name });
  if (feature.shown[0]) {
    let path = "";
    drawn[0].forEach((amount, index) => {
      if (amount) path += `M${(index * step + 0.5).toFixed(2)} ${ground}v${(-high(amount)).toFixed(2)}h${Math.max(step - 1, 0.5).toFixed(2)}V${ground}z`;
    });
    svg.append(shape("path", { class: two() ? "soft" : "soft only", d: path }));
  }
  if (two() && feature.shown[1]) {
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
  told(svg, () => bins.counts[0].map((_, index) => {
    const width = (bins.high - bins.low) / size, low = bins.low + index * width;
    const from = bins.whole ? label(low + 0.5) : label(low), to = bins.whole ? label(low + width - 0.5) : label(low + width);
    const rows = bins.counts.map((counts, number) => rowsOf(number, counts[index], present(feature, number)));
    return [index * step, 0, step, ground, [from === to ? from : from + " to " + to, ...rows]];
  }));
  const beyond = bins.counts.reduce((sum, _, number) => sum + bins.below[number] + bins.above[number], 0);
  return beyond ? [svg, element("div", { class: "quiet" }, whole(beyond) + " rows are beyond these bounds")] : [svg];
}

function lines(feature, counted) {
  const names = counted.values.map((name) => visible(name, NARROW ? 14 : 19)), counts = counted.counts.map((each) => [...each]);
  const full = counted.values.map((name) => visible(name, 400));
  if (counted.others.some((count) => count)) {
    names.push("all others"); full.push("all others");
    counted.others.forEach((count, number) => counts[number].push(count));
  }
  const both = two() && feature.shown.every(Boolean);
  const line = both ? 26 : 18, left = NARROW ? 112 : 150, room = WIDE - left - 56;
  const drawn = counts.map((each, number) => heights(each, number, present(feature, number)));
  const most = Math.max(...drawn.flat(), 1e-300);
  const svg = shape("svg", { class: "values", viewBox: `0 0 ${WIDE} ${Math.max(names.length, 1) * line}`, role: "img", "aria-label": "Most frequent values of " + visible(feature.name, 60) + ": " + names.slice(0, 3).join(", ") });
  names.forEach((name, index) => {
    const top = index * line;
    svg.append(shape("text", { class: "name", x: left - 8, y: top + line / 2 + 4, "text-anchor": "end" }, name));
    counts.forEach((each, number) => {
      if (!feature.shown[number]) return;
      const wide = (drawn[number][index] / most) * room, bar = both ? 10 : 12, y = top + 2 + (both ? number * 11 : 1);
      svg.append(shape("rect", { class: "a" + number, x: left, y, width: wide ? Math.max(wide, 1) : 0, height: bar, rx: 1.5 }));
      svg.append(shape("text", { class: both ? "small" : "", x: left + wide + 5, y: y + (both ? 8.5 : 10) }, percent(share(each[index], present(feature, number)))));
    });
  });
  told(svg, () => names.map((_, index) => [0, index * line, WIDE, line,
    [full[index], ...counts.map((each, number) => rowsOf(number, each[index], present(feature, number)))]]));
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
    const types = feature.shown.filter(Boolean).map((found) => found.type);
    const none = feature.shown.every((found) => !found || !found.count);
    figure.append(element("p", { class: "quiet" }, none ? "No row has a value." : "Values of " + types.join(" and ") + " cannot be drawn together."));
  }
  return figure;
}
