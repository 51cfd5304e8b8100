// What the session does, as it does it: a live marble diagram, and a line for each thing that happened.
// @ts-check

/**
 * @typedef {object} Mark What the demo tells, see marks.py.
 * @property {string} lane
 * @property {number} at Epoch seconds.
 * @property {string} text
 * @property {string} [tone]
 * @property {string} [label]
 * @property {unknown} [data]
 * @property {string} [opens]
 * @property {string} [closes]
 * @property {boolean} [cut] Whether what it closes was cut off.
 */
/** @typedef {Mark & {end?: number, isOpen?: boolean}} Drawn */

const LONGEST = 40; // seconds that the diagram shows at most
const SECOND = 14; // pixels, where there is room for them
const TICK = 5; // seconds between two ticks
const KEPT = 500; // marks, and lines
const FRAME_MS = 100; // between two drawings
const TOP = 16, GAP = 25, LEFT = 70, RIGHT = 16; // pixels

/**
 * @param {{diagram: SVGSVGElement, log: HTMLElement, raw: HTMLElement}} places
 * @param {{lanes: string[], skew: number}} facts `skew` is what the session's clock is ahead of the page's, in seconds.
 * @returns {(mark: Mark) => void} Shows a mark.
 */
export function createTimeline({ diagram, log, raw }, { lanes, skew }) {
  /** @type {Drawn[]} */
  let marks = [];
  /** @type {Map<string, Drawn>} what goes on, by its name */
  const open = new Map();
  let begun = NaN;
  const now = () => Date.now() / 1000 + skew;

  /** @param {Mark} mark */
  function add(mark) {
    if (Number.isNaN(begun)) begun = mark.at;
    if (mark.closes) {
      const closed = open.get(mark.closes);
      open.delete(mark.closes);
      if (closed) Object.assign(closed, { end: mark.at, isOpen: false, tone: mark.tone, cut: mark.cut, data: mark.data });
    } else {
      /** @type {Drawn} */
      const drawn = { ...mark };
      if (mark.opens) {
        drawn.isOpen = true;
        open.set(mark.opens, drawn);
      }
      marks.push(drawn);
      if (marks.length > KEPT) marks = marks.slice(-KEPT);
    }
    if (mark.text) write(mark);
  }

  /** @param {Mark} mark */
  function write(mark) {
    const item = document.createElement("li");
    const line = document.createElement("button");
    line.type = "button";
    line.append(
      Object.assign(document.createElement("time"), { textContent: (mark.at - begun).toFixed(2) }),
      Object.assign(document.createElement("i"), { className: `dot ${mark.tone ?? "plain"}` }),
      Object.assign(document.createElement("span"), { textContent: mark.text }),
    );
    line.onclick = () => show(mark.data, line);
    item.append(line);
    const following = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(item);
    while (log.children.length > KEPT) log.firstElementChild?.remove();
    if (following) log.scrollTop = log.scrollHeight;
  }

  /** @param {unknown} data @param {Element} [line] */
  function show(data, line) {
    log.querySelector("[aria-current]")?.removeAttribute("aria-current");
    line?.setAttribute("aria-current", "true");
    raw.hidden = false;
    raw.textContent = JSON.stringify(data, null, 2);
    raw.scrollTop = 0;
    line?.scrollIntoView({ block: "nearest" });
  }

  function draw() {
    const right = diagram.clientWidth - RIGHT, at = now();
    const span = Math.min(LONGEST, (right - LEFT) / SECOND), scale = (right - LEFT) / span;
    const x = (/** @type {number} */ time) => right - (at - time) * scale;
    const bottom = TOP + (lanes.length - 1) * GAP + 16;
    const shapes = [];
    for (let seconds = 0; seconds <= span; seconds += TICK) {
      const place = right - seconds * scale;
      shapes.push(svg("line", { class: "tick", x1: place, x2: place, y1: 4, y2: bottom }));
      shapes.push(svg("text", { class: "when", x: place, y: bottom + 12 }, seconds ? `−${seconds} s` : "now"));
    }
    for (const [row, lane] of lanes.entries()) {
      const y = TOP + row * GAP;
      shapes.push(svg("line", { class: "lane", x1: LEFT, x2: right, y1: y, y2: y }));
      shapes.push(svg("path", { class: "arrow", d: `M${right} ${y - 3}l6 3l-6 3z` }));
      shapes.push(svg("text", { class: "name", x: 8, y: y + 4 }, lane));
    }
    for (const [number, mark] of marks.entries()) {
      const end = mark.isOpen ? at : mark.end ?? mark.at;
      const row = lanes.indexOf(mark.lane);
      if (end < at - span || row < 0) continue;
      const y = TOP + row * GAP;
      const from = Math.max(LEFT, x(mark.at));
      const shape = mark.opens ? bar(mark, from, Math.max(6, x(end) - from), y) : marble(mark, from, y);
      shape.setAttribute("data-mark", String(number));
      shape.append(svg("title", {}, mark.text || mark.lane));
      shapes.push(shape);
    }
    diagram.replaceChildren(...shapes);
  }

  /** What lasts. @param {Drawn} mark @param {number} from @param {number} width @param {number} y */
  function bar(mark, from, width, y) {
    const group = svg("g", { class: `mark ${mark.tone ?? "plain"}${mark.isOpen ? " open" : ""}` });
    group.append(svg("rect", { x: from, y: y - 8, width, height: 16, rx: 5 }));
    if (width > 30) group.append(svg("text", { x: from + width / 2, y: y + 3.5 }, mark.label ?? ""));
    if (mark.cut) {
      const end = from + width;
      group.append(svg("path", { class: "cut", d: `M${end - 5} ${y - 11}l10 22m0 -22l-10 22` }));
    }
    return group;
  }

  /** What happens at once. @param {Drawn} mark @param {number} x @param {number} y */
  function marble(mark, x, y) {
    const small = mark.tone === "soft" && mark.lane !== "answer";
    const group = svg("g", { class: `mark ${mark.tone ?? "plain"}` });
    group.append(svg("circle", { cx: x, cy: y, r: small ? 4 : 10 }));
    if (!small) group.append(svg("text", { x, y: y + 3.2 }, mark.label ?? ""));
    return group;
  }

  // Pressed and not clicked: between the press and its end everything may have been drawn anew.
  diagram.addEventListener("pointerdown", ({ target }) => {
    const shape = /** @type {Element} */ (target).closest("[data-mark]");
    const mark = shape && marks[Number(shape.getAttribute("data-mark"))];
    if (mark) show(mark.data);
  });
  diagram.style.height = `${TOP + (lanes.length - 1) * GAP + 36}px`;
  setInterval(() => document.hidden || draw(), FRAME_MS);
  return add;
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text) element.textContent = text;
  return element;
}
