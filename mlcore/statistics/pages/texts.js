"use strict";
// What the other scripts share: the values, elements, and how numbers and texts are written.
// Everything that comes from data is set as text, never as markup.

const page = JSON.parse(document.getElementById("values").textContent);
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

// The view that is shown: which sides, by number.
let view = page.views[0];
const two = () => view.sides.length === 2;
const side = (number) => page.sides[view.sides[number]];
const whatIs = (feature) => feature.shown[0] || feature.shown[1];

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

const WHOLE = new Intl.NumberFormat("en-US");
const SIX = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });
const LARGE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6, useGrouping: false });
const SMALL = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4, useGrouping: false });
const whole = (number) => WHOLE.format(number);
function short(number) {
  if (typeof number !== "number") return number === undefined || number === null ? "" : String(number);
  if (Number.isInteger(number) && Math.abs(number) < 1e7) return Math.abs(number) < 1e4 ? String(number) : whole(number);
  const size = Math.abs(number);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return number.toExponential(3).replace(/\.?0+e/, "e");
  return (size >= 1e4 ? SIX : size >= 1000 ? LARGE : SMALL).format(number);
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
const duration = (seconds) => {
  const [name, size] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find(([, each]) => seconds >= each) || ["s", 1];
  return short(Number((seconds / size).toPrecision(3))) + " " + name;
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

const share = (part, all) => (all ? part / all : 0);
const missing = (feature, number) => {
  const found = feature.shown[number];
  return found && side(number).rows ? found.missing / side(number).rows : null;
};
const present = (feature, number) => (feature.shown[number] ? feature.shown[number].count : 0);
const rowsOf = (number, count, all) =>
  (two() ? visible(side(number).name, 40) + ": " : "") + whole(count) + " rows (" + percent(share(count, all)) + ")";
