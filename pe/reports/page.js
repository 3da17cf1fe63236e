"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

// Records are never parsed as HTML: elements are made here, words go in as text.
function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content.map((item) => (item instanceof Node ? item : String(item))));
  return element;
}

function draw(tag, className, attributes, colour) {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (colour) {
    element.style.stroke = colour;
    if (className === "ring") element.style.fill = colour;
  }
  return element;
}

function colourOf(phrase) {
  let hash = 2166136261;
  for (const char of phrase) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  hash ^= hash >>> 15;
  return `oklch(0.8 0.17 ${(((hash >>> 0) * 137.508) % 360).toFixed(0)})`;
}

const fixed = (value, digits) => Number(value).toFixed(digits);
const fold = (text) => String(text).toLowerCase();

function frame(box) {
  return { x: box[0], y: box[1], width: Math.max(0, box[2] - box[0]), height: Math.max(0, box[3] - box[1]) };
}

function label(sample, box, words, className, colour) {
  const element = make("span", className, words);
  const x = Math.min(Math.max(box[0] / sample.width, 0), 0.9);
  const y = Math.min(Math.max(box[1] / sample.height, 0), 1);
  element.style.left = `${x * 100}%`;
  element.style.top = `${y * 100}%`;
  element.style.maxWidth = `${(1 - x) * 100}%`;
  if (y > 0.08) element.style.transform = "translateY(-100%)";
  if (colour) element.style.background = colour;
  element.dir = "auto";
  return element;
}
