const run = JSON.parse($("data").textContent);
const SELECTS = ["stage", "source", "sort"];
const TOGGLES = ["answers", "truths", "labels"];
const WIDE = 280;
const TALL = 130;
const PAD = { left: 6, right: 6, top: 12, bottom: 14 };

const sources = [...new Set(run.stages.flatMap((item) => item.curves.flatMap((curve) => curve.lines.map((line) => line.source))))].sort();
// steps of the golden angle keep neighbours apart
const lineColour = (source) => `oklch(0.68 0.16 ${((sources.indexOf(source) * 137.508 + 260) % 360).toFixed(0)})`;

function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

function chart(name, lines, end) {
  const all = lines.flatMap((line) => line.points);
  let low = Math.min(...all.map((point) => point[1]));
  let high = Math.max(...all.map((point) => point[1]));
  const [least, most] = [low, high];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const first = Math.min(...all.map((point) => point[0]));
  const last = Math.max(end, first + 1);
  const x = (step) => PAD.left + ((step - first) / (last - first)) * (WIDE - PAD.left - PAD.right);
  const y = (value) => TALL - PAD.bottom - ((value - low) / (high - low)) * (TALL - PAD.top - PAD.bottom);
  const view = draw("svg", "", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", "aria-label": name });
  const word = (text, place) => {
    const element = draw("text", "", place);
    element.textContent = text;
    view.append(element);
  };
  const bottom = TALL - PAD.bottom;
  view.append(draw("line", "axis", { x1: PAD.left, x2: WIDE - PAD.right, y1: bottom, y2: bottom }));
  word(short(most), { x: PAD.left, y: 9 });
  if (least !== most) word(short(least), { x: PAD.left, y: bottom - 3 });
  word(String(first), { x: PAD.left, y: TALL - 3 });
  word(String(last), { x: WIDE - PAD.right, y: TALL - 3, "text-anchor": "end" });
  for (const line of lines) {
    const colour = lineColour(line.source);
    if (line.points.length === 1) {
      const dot = draw("circle", "dot", { cx: x(line.points[0][0]), cy: y(line.points[0][1]), r: 2.5 });
      dot.style.fill = colour;
      view.append(dot);
    } else {
      view.append(draw("polyline", "curve", { points: line.points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join(" ") }, colour));
    }
  }
  const cursor = draw("line", "cursor", { y1: PAD.top, y2: bottom, visibility: "hidden" });
  view.append(cursor);
  const reading = make("p", "");
  const read = (step) => {
    const parts = lines.map((line) => {
      const near = line.points.reduce((a, b) => (Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a));
      const key = make("span", "key");
      key.style.setProperty("--hue", lineColour(line.source));
      return make("span", "value", key, `${line.source ? `${line.source} ` : ""}${short(near[1])}`);
    });
    reading.replaceChildren(...parts);
  };
  view.onpointermove = (event) => {
    const box = view.getBoundingClientRect();
    const step = first + ((((event.clientX - box.left) / box.width) * WIDE - PAD.left) / (WIDE - PAD.left - PAD.right)) * (last - first);
    const at = Math.round(Math.min(last, Math.max(first, step)));
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, String(x(at)));
    cursor.setAttribute("visibility", "visible");
    read(at);
    reading.append(make("span", "value", `· step ${at}`));
  };
  view.onpointerleave = () => {
    cursor.setAttribute("visibility", "hidden");
    read(last);
  };
  read(last);
  const element = make("div", "chart", make("h2", "", name), view, reading);
  element.dataset.name = name;
  return element;
}

function marks(item, className, colour) {
  const parts = [];
  if (item.path) parts.push(draw("path", `${className} ring`, { d: item.path }, colour));
  if (item.bbox) parts.push(draw("rect", `${className} box`, frame(item.bbox), colour));
  for (const point of item.points || []) parts.push(draw("circle", `${className} box`, { cx: point[0], cy: point[1], r: item.radius }, colour));
  if (item.path && colour) parts[0].style.fill = colour;
  return parts;
}

function stage(rollout) {
  const element = make("div", "stage");
  element.style.setProperty("--aspect", rollout.width / rollout.height);
  const picture = new Image(rollout.width, rollout.height);
  picture.alt = rollout.key;
  picture.onerror = () => picture.replaceWith(make("p", "missing", "This picture is not here."));
  picture.src = run.pictures[rollout.picture] || "data:,";
  const view = draw("svg", "overlay", { viewBox: `0 0 ${rollout.width} ${rollout.height}`, preserveAspectRatio: "none" });
  element.append(picture, view);
  for (const item of rollout.truths) view.append(...marks(item, "truth", ""));
  for (const item of rollout.answers) {
    const colour = colourOf(fold(item.phrase));
    view.append(...marks(item, "of-answer", colour));
    if (item.phrase) element.append(label(rollout, item.anchor, item.phrase, "label of-answer", colour));
  }
  return element;
}

function card(rollout) {
  const figure = make("figure", "", stage(rollout));
  const scored = typeof rollout.score === "number";
  const score = make("span", scored ? "score" : "score none", scored ? fixed(rollout.score, 3) : "no score");
  const facts = [`step ${rollout.step}`, rollout.state, rollout.tokens === null ? "" : `${rollout.tokens} tokens`];
  if (typeof rollout.advantage === "number") facts.push(`advantage ${fixed(rollout.advantage, 2)}`);
  const block = make("div", "words");
  block.append(make("div", "line", score, make("span", "source", facts.filter(Boolean).join(" · "))));
  const components = Object.entries(rollout.components).map(([name, value]) =>
    make("span", "", `${name} ${typeof value === "number" ? fixed(value, 3) : "missing"}`));
  block.append(make("div", "components", ...components));
  const name = make("code", "", rollout.key);
  name.title = rollout.key;
  block.append(make("div", "source", name, make("span", "", rollout.data_source)));
  block.append(make("p", "caption prompt", rollout.prompt));
  block.append(make("pre", "", rollout.response));
  const truth = rollout.truths.map((item) => item.phrase).filter(Boolean);
  const words = [truth.length ? `Truth: ${truth.join(", ")}` : "", rollout.text ? `Truth: ${rollout.text}` : ""];
  if (rollout.negatives.length) words.push(`Not there: ${rollout.negatives.join(", ")}`);
  block.append(make("p", "negatives", words.filter(Boolean).join(" · ")));
  return make("article", "", figure, block);
}

// pictures are decoded only for the stage that is looked at
function apply() {
  const now = run.stages.find((item) => item.name === $("stage").value) || run.stages[0];
  if (!now) {
    $("nothing").hidden = false;
    return;
  }
  const there = [...new Set([...now.curves.flatMap((curve) => curve.lines.map((line) => line.source)), ...now.rollouts.map((item) => item.data_source)])];
  const wanted = there.includes($("source").value) ? $("source").value : "";
  $("source").replaceChildren(new Option("all", ""), ...there.filter(Boolean).sort().map((name) => new Option(name, name)));
  $("source").value = wanted;
  $("facts").textContent = now.facts.join("\n");
  const curves = now.curves
    .map((curve) => ({ ...curve, lines: curve.lines.filter((line) => !wanted || !line.source || line.source === wanted) }))
    .filter((curve) => curve.lines.length > 0);
  $("curves").replaceChildren(...curves.filter((curve) => curve.main).map((curve) => chart(curve.name, curve.lines, now.last)));
  const others = curves.filter((curve) => !curve.main);
  $("more").hidden = others.length === 0;
  $("more").firstElementChild.textContent = `${others.length} more figures`;
  const unfold = () => $("others").replaceChildren(...($("more").open ? others.map((curve) => chart(curve.name, curve.lines, now.last)) : []));
  $("more").ontoggle = unfold;
  unfold();
  const missing = (item) => (typeof item.score === "number" ? item.score : -Infinity);
  const orders = { step: (a, b) => b.step - a.step, worst: (a, b) => missing(a) - missing(b), best: (a, b) => missing(b) - missing(a) };
  const rollouts = now.rollouts.filter((item) => !wanted || item.data_source === wanted).sort(orders[$("sort").value] || orders.step);
  $("grid").replaceChildren(...rollouts.map(card));
  for (const name of TOGGLES) document.body.classList.toggle(`no-${name}`, !$(name).checked);
  $("count").textContent = `${rollouts.length} of ${now.rollouts.length} rollouts`;
  $("nothing").hidden = rollouts.length > 0;
}

// The state lives in the address, so that a view can be bookmarked: #stage=grpo&sort=worst
function remember() {
  const state = new URLSearchParams();
  for (const name of SELECTS) if ($(name).value) state.set(name, $(name).value);
  for (const name of TOGGLES) if (!$(name).checked) state.set(name, "0");
  history.replaceState(null, "", `#${state}`);
  apply();
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of TOGGLES) $(name).checked = state.get(name) !== "0";
  $("stage").value = state.get("stage") || (run.stages.length ? run.stages[run.stages.length - 1].name : "");
  $("sort").value = state.get("sort") || "step";
  apply();
  $("source").value = state.get("source") || "";
  if ($("source").value) apply();
}

$("stage").append(...run.stages.map((item) => new Option(item.name, item.name)));
$("tools").addEventListener("input", remember);
$("tools").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", recall);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const toggle = { a: "answers", t: "truths", l: "labels" }[event.key];
  if (toggle) { $(toggle).checked = !$(toggle).checked; remember(); }
});
recall();
