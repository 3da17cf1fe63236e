const samples = JSON.parse(document.getElementById("data").textContent);
const TOGGLES = ["boxes", "rings", "labels", "drops"];
const phrases = new Map();
for (const sample of samples)
  for (const item of sample.objects) phrases.set(fold(item.phrase), (phrases.get(fold(item.phrase)) || 0) + 1);

function stage(sample) {
  const element = make("div", "stage");
  element.style.setProperty("--aspect", sample.width / sample.height);
  const picture = new Image(sample.width, sample.height);
  picture.alt = sample.caption || sample.source;
  picture.onerror = () => picture.replaceWith(make("p", "missing", "This picture cannot be decoded."));
  picture.src = sample.picture || "data:,";
  const view = draw("svg", "overlay", { viewBox: `0 0 ${sample.width} ${sample.height}`, preserveAspectRatio: "none" });
  element.append(picture, view);
  const byArea = [...sample.objects].sort((a, b) => areaOf(b.bbox) - areaOf(a.bbox));
  for (const item of byArea) {
    const colour = colourOf(fold(item.phrase));
    const score = item.score < 1 ? ` ${fixed(item.score, 2)}` : "";
    // in a crowd, small boxes have their labels in the large view only
    const minor = sample.objects.length > 8 && item.bbox[2] - item.bbox[0] < 0.15 * sample.width;
    const tag = label(sample, item.bbox, item.phrase + score, minor ? "label minor" : "label", colour);
    const parts = [draw("rect", "box", frame(item.bbox), colour), tag];
    if (item.path) parts.unshift(draw("path", "ring", { d: item.path }, colour));
    if (item.quad) parts.push(draw("polygon", "box", { points: item.quad.join(" ") }, colour));
    if (item.point) parts.push(draw("circle", "box", { cx: item.point[0], cy: item.point[1], r: sample.width / 100 }, colour));
    for (const part of parts) {
      part.dataset.phrase = fold(item.phrase);
      (part instanceof SVGElement ? view : element).append(part);
    }
  }
  for (const item of sample.dropped) {
    view.append(draw("rect", "dropped", frame(item.bbox)));
    element.append(label(sample, item.bbox, `${item.phrase}: ${item.reason}`, "label red"));
  }
  return element;
}

const areaOf = (box) => (box[2] - box[0]) * (box[3] - box[1]);

function chips(sample) {
  const counts = new Map();
  for (const item of sample.objects) counts.set(item.phrase, (counts.get(item.phrase) || 0) + 1);
  if (!counts.size) return make("p", "none", "No objects.");
  const list = make("div", "chips");
  for (const [phrase, count] of counts) {
    const chip = make("button", "chip", count > 1 ? `${phrase} ×${count}` : phrase);
    chip.type = "button";
    chip.title = `Show only samples with ${phrase}`;
    chip.style.setProperty("--hue", colourOf(fold(phrase)));
    chip.onclick = () => { $("phrase").value = phrase; $("large").close(); remember(); };
    list.append(chip);
  }
  return list;
}

function words(sample, open) {
  const block = make("div", "words");
  const name = make("code", "", sample.source);
  name.title = `${sample.source}\n${sample.key}`;
  block.append(make("div", "source", name, make("span", "", sample.data_source)));
  if (sample.caption) block.append(make("p", "caption", sample.caption));
  block.append(chips(sample));
  if (sample.negatives.length) {
    const shown = open ? sample.negatives : sample.negatives.slice(0, 12);
    const rest = sample.negatives.length - shown.length;
    const line = make("p", "negatives", `Not found: ${shown.join(", ")}${rest ? ` and ${rest} more` : ""}`);
    line.title = sample.negatives.join(", ");
    block.append(line);
  }
  if (sample.dropped.length) {
    const list = make("ul", "");
    for (const item of sample.dropped) list.append(make("li", "", `${item.phrase} ${fixed(item.score, 2)}: ${item.reason}`));
    const more = make("details", "", make("summary", "", `${sample.dropped.length} dropped`), list);
    more.open = open;
    block.append(more);
  }
  return block;
}

function card(sample, index) {
  const figure = make("figure", "", stage(sample));
  figure.tabIndex = 0;
  figure.setAttribute("role", "button");
  figure.setAttribute("aria-label", `Enlarge ${sample.source}`);
  figure.onclick = () => enlarge(index);
  figure.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    enlarge(index);
  };
  const article = make("article", "", figure, words(sample, false));
  article.dataset.key = sample.key;
  return article;
}

const cards = samples.map(card);
let shown = [];
let current = 0;

function table(sample) {
  const body = make("tbody", "");
  for (const item of sample.objects) {
    const more = [item.text, item.caption].filter(Boolean).join(" · ");
    const cells = [item.phrase, fixed(item.score, 4), item.bbox.map((value) => fixed(value, 1)).join(", ")];
    cells.push(item.ring_iou === undefined ? "" : fixed(item.ring_iou, 4), more);
    body.append(make("tr", "", ...cells.map((cell, i) => make("td", i > 0 && i < 4 ? "number" : "", cell))));
  }
  const head = ["Phrase", "Score", "Box x0, y0, x1, y1", "Ring IoU", "Text, caption"];
  return make("div", "scroll", make("table", "", make("thead", "", make("tr", "", ...head.map((cell) => make("th", "", cell)))), body));
}

function enlarge(index) {
  const sample = samples[index];
  const block = words(sample, true);
  if (sample.objects.length) block.append(table(sample));
  const makers = Object.entries(sample.made_by).map(([part, info]) => `${part}: ${Object.values(info).join(", ")}`);
  const facts = [sample.key, `${sample.width} × ${sample.height}`, sample.license, sample.url, ...makers].filter(Boolean);
  block.append(make("p", "negatives", facts.join(" · ")));
  $("detail").replaceChildren(make("figure", "", stage(sample)), block);
  current = index;
  dim();
  if (!$("large").open) $("large").showModal();
  $("large").scrollTop = 0;
}

function step(by) {
  const place = shown.indexOf(current);
  if (shown.length) enlarge(shown[(place + by + shown.length) % shown.length]);
}

function wanted() {
  const text = fold($("phrase").value.trim());
  // a phrase that exists means itself; anything else is part of one
  return (phrase) => !text || (phrases.has(text) ? fold(phrase) === text : fold(phrase).includes(text));
}

function dim() {
  const match = wanted();
  for (const element of document.querySelectorAll("[data-phrase]")) element.classList.toggle("dim", !match(element.dataset.phrase));
}

function apply() {
  const match = wanted();
  const narrowed = $("phrase").value.trim() !== "";
  const source = $("source").value;
  const only = $("only").value;
  shown = [];
  samples.forEach((sample, index) => {
    const fits =
      (!narrowed || sample.objects.some((item) => match(item.phrase))) &&
      (!source || sample.data_source === source) &&
      (only !== "found" || sample.objects.length > 0) &&
      (only !== "empty" || sample.objects.length === 0) &&
      (only !== "dropped" || sample.dropped.length > 0);
    cards[index].hidden = !fits;
    if (fits) shown.push(index);
  });
  for (const name of ["boxes", "rings", "labels"]) document.body.classList.toggle(`no-${name}`, !$(name).checked);
  document.body.classList.toggle("drops", $("drops").checked);
  $("count").textContent = `${shown.length} of ${samples.length}`;
  $("nothing").hidden = shown.length > 0;
  dim();
}

// The state lives in the address, so that a view can be bookmarked: #phrase=cat&labels=0
function remember() {
  const state = new URLSearchParams();
  for (const name of ["phrase", "source", "only"]) if ($(name).value.trim()) state.set(name, $(name).value.trim());
  for (const name of TOGGLES) if ($(name).checked !== $(name).defaultChecked) state.set(name, $(name).checked ? "1" : "0");
  history.replaceState(null, "", `#${state}`);
  apply();
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of ["phrase", "source", "only"]) $(name).value = state.get(name) || "";
  for (const name of TOGGLES) $(name).checked = state.has(name) ? state.get(name) === "1" : $(name).defaultChecked;
  apply();
}

$("source").append(new Option("all", ""));
for (const name of [...new Set(samples.map((sample) => sample.data_source))].sort()) $("source").append(new Option(name, name));
for (const [phrase, count] of [...phrases].sort((a, b) => b[1] - a[1])) $("phrases").append(new Option(`${count}`, phrase));
$("grid").append(...cards);
$("tools").addEventListener("input", remember);
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("close").onclick = () => $("large").close();
$("large").onclick = (event) => { if (event.target === $("large")) $("large").close(); };
window.addEventListener("hashchange", recall);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=search], select")) return;
  const toggle = { b: "boxes", r: "rings", l: "labels", d: "drops" }[event.key];
  if (toggle) { $(toggle).checked = !$(toggle).checked; remember(); }
  else if (event.key === "/" && !$("large").open) { event.preventDefault(); $("phrase").focus(); }
  else if ($("large").open && event.key === "ArrowLeft") step(-1);
  else if ($("large").open && event.key === "ArrowRight") step(1);
});
recall();
