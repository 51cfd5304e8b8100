// The demo's page: a chat on the left, what the session does on the right. One socket to the demo, one to the bridge.
// @ts-check

const $ = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const list = $(".messages"), log = $(".log"), raw = $(".raw");
const marbles = /** @type {SVGSVGElement} */ (document.querySelector(".marbles"));
const SPAN = 30; // seconds that the timeline shows
const LANES = ["you", "request", "reply", "ad"];

/** @typedef {{lane: string, at: number, kind: string, label: string, data: object, end?: number, open?: boolean}} Mark */
/** @type {Mark[]} */
const marks = [];
/** @type {Map<string, Mark>} the requests that are out, by user message */
const requests = new Map();
let clockSkew = 0; // the session's clock is the server's

// An ad grows after its reply is there: stay at the end, unless the visitor has scrolled up.
let following = true;
list.addEventListener("scroll", () => { following = list.scrollHeight - list.scrollTop - list.clientHeight < 80; });
const follow = () => { if (following) list.scrollTop = list.scrollHeight; };
const growth = new ResizeObserver(follow);

const socket = new WebSocket(new URL("chat", location.href.replace(/^http/, "ws")));
const send = (/** @type {object} */ message) => socket.send(JSON.stringify(message));

socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  switch (message.type) {
    case "hello": return hello(message);
    case "message": return addMessage(message);
    case "token": return addToken(message);
    case "done": return done(message);
    case "step": return step(message);
    case "event": return event(message);
  }
};
socket.onclose = () => document.body.append(Object.assign(document.createElement("p"), {
  className: "bad", textContent: "The demo has ended. Start it again and reload the page.",
}));

async function hello({ token, bridge, script, openers, now }) {
  clockSkew = now - Date.now() / 1000;
  for (const text of openers) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.onclick = () => say(text);
    $(".openers").append(button);
  }
  const { mount } = await import(new URL(script, location.href).href);
  mount({ token, url: new URL(bridge, location.href.replace(/^http/, "ws")).href });
}

function addMessage({ id, role, content }) {
  const item = document.createElement("li");
  item.id = id;
  item.className = role;
  item.append(Object.assign(document.createElement("div"), { className: "bubble", textContent: content }));
  list.append(item);
  growth.observe(item);
  following = true;
  follow();
  if (role === "user") mark({ lane: "you", kind: "accent", label: "message", data: { id, role, content } });
  else item.classList.add("writing");
}

function addToken({ id, text }) {
  const bubble = document.querySelector(`#${CSS.escape(id)} .bubble`);
  if (bubble) bubble.textContent += text;
}

function done({ id, interrupted }) {
  const item = document.getElementById(id);
  if (!item) return;
  item.classList.remove("writing");
  mark({ lane: "reply", kind: interrupted ? "bad" : "accent", label: interrupted ? "interrupted" : "reply", data: { id } });
  if (interrupted) return;
  const ad = document.createElement("kontext-ad");
  ad.setAttribute("message-id", id);
  ad.setAttribute("code", "inlineAd");
  ad.setAttribute("theme", document.documentElement.dataset.theme ?? "light");
  item.append(ad);
}

function step({ at, step, text }) {
  const id = step.user_message_id;
  const request = requests.get(id);
  if (step.name === "sent") {
    requests.set(id, mark({ lane: "request", at, kind: "wait", label: text, data: step, open: true }));
  } else if (request && ["resolved", "cancelled"].includes(step.name)) {
    request.end = at;
    request.open = false;
    request.kind = step.name === "cancelled" ? "bad" : step.outcome === "filled" ? "good" : "soft";
    requests.delete(id);
    write({ at, kind: request.kind, label: text, data: step });
  } else write({ at, kind: "soft", label: text, data: step });
}

function event({ at, event, text }) {
  const kind = { "ad.error": "bad", "ad.no-fill": "soft", "ad.clicked": "violet", "reward.granted": "violet" }[event.name];
  mark({ lane: "ad", at, kind: kind ?? "good", label: text, data: event });
}

/** @param {Partial<Mark> & {lane: string, kind: string, label: string, data: object}} given @returns {Mark} */
function mark(given) {
  const whole = { at: Date.now() / 1000 + clockSkew, ...given };
  marks.push(whole);
  if (marks.length > 400) marks.shift();
  write(whole);
  return whole;
}

function write({ at, kind, label, data }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const seconds = new Date((at - clockSkew) * 1000).toLocaleTimeString([], { hour12: false });
  button.append(
    Object.assign(document.createElement("time"), { textContent: seconds }),
    Object.assign(document.createElement("span"), { className: kind, textContent: label }),
  );
  button.onclick = () => show(data);
  item.append(button);
  log.append(item);
  while (log.children.length > 300) log.firstElementChild?.remove();
  log.scrollTop = log.scrollHeight;
}

function show(/** @type {object} */ data) {
  raw.hidden = false;
  raw.textContent = JSON.stringify(data, null, 2);
}

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text) element.textContent = text;
  return element;
}

function draw() {
  const width = marbles.clientWidth, top = 30, gap = 42, left = 56, right = width - 14;
  const now = Date.now() / 1000 + clockSkew;
  const x = (/** @type {number} */ at) => right - ((now - at) / SPAN) * (right - left);
  const drawn = [];
  for (const [row, lane] of LANES.entries()) {
    const y = top + row * gap;
    drawn.push(svg("line", { class: "lane", x1: left, x2: right, y1: y, y2: y }));
    drawn.push(svg("text", { x: 10, y: y + 4 }, lane));
    for (const one of marks.filter((mark) => mark.lane === lane)) {
      const end = one.open ? now : one.end ?? one.at;
      if (end < now - SPAN) continue;
      const from = Math.max(left, x(one.at));
      const shape = lane === "request"
        ? svg("rect", { class: `mark ${one.kind}`, x: from, y: y - 6, width: Math.max(4, x(end) - from), height: 12, rx: 4 })
        : svg("circle", { class: `mark ${one.kind}`, cx: from, cy: y, r: 6 });
      shape.append(svg("title", {}, one.label));
      shape.addEventListener("click", () => show(one.data));
      drawn.push(shape);
    }
  }
  marbles.replaceChildren(...drawn);
  if (document.visibilityState === "visible") requestAnimationFrame(() => setTimeout(draw, 100));
}
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && draw());
draw();

function say(/** @type {string} */ text) {
  if (!text.trim() || socket.readyState !== WebSocket.OPEN) return;
  $(".openers").hidden = true;
  send({ type: "say", text });
}

const form = /** @type {HTMLFormElement} */ ($(".say"));
form.onsubmit = (submitted) => {
  submitted.preventDefault();
  const input = /** @type {HTMLInputElement} */ (form.elements.namedItem("text"));
  say(input.value);
  input.value = "";
};
const switches = /** @type {HTMLFormElement} */ ($(".switches"));
switches.onchange = () => {
  const settings = Object.fromEntries(new FormData(switches));
  document.documentElement.dataset.theme = String(settings.theme);
  send({ type: "set", ...settings });
};
