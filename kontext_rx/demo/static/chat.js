// The demo's page: a chat, and beside it what the session does. One socket to the demo, one to the bridge.
// @ts-check

import { setConsent } from "./consent.js";
import { createTimeline } from "./timeline.js";

/** @template {Element} [T=HTMLElement] @param {string} selector @returns {T} */
const $ = (selector) => /** @type {T} */ (/** @type {unknown} */ (document.querySelector(selector)));
const root = document.documentElement;
const list = $(".messages"), openers = $(".openers"), status = $(".status");
/** @type {HTMLFormElement} */ const form = $(".say");
/** @type {HTMLFormElement} */ const switches = $(".switches");
const input = /** @type {HTMLInputElement} */ (form.elements.namedItem("text"));
const dark = matchMedia("(prefers-color-scheme: dark)");
const KEPT_AS = "kontext-rx-demo"; // the switches, from one conversation to the next

/** @type {(mark: import("./timeline.js").Mark) => void} */
let show = () => {};

// An ad grows after its reply is there: stay at the end, unless the visitor has scrolled up.
let following = true;
list.addEventListener("scroll", () => { following = list.scrollHeight - list.scrollTop - list.clientHeight < 80; });
const follow = () => { if (following) list.scrollTop = list.scrollHeight; };
const growth = new ResizeObserver(follow);

// --- the socket ---

const socket = new WebSocket(new URL(`chat${location.search}`, location.href.replace(/^http/, "ws")));
const send = (/** @type {object} */ message) => socket.readyState === 1 && socket.send(JSON.stringify(message));

/** @type {Record<string, (message: any) => void>} */
const hear = { hello, message: addMessage, token: addToken, problem, done, typing, played, mark: ({ mark }) => show(mark) };
socket.onmessage = (/** @type {MessageEvent<string>} */ { data }) => {
  const message = JSON.parse(data);
  hear[message.type]?.(message);
};
socket.onclose = () => {
  status.hidden = false;
  status.className = "status bad";
  status.textContent = "The demo has ended. Start it again and reload the page.";
};

/** @param {any} message */
async function hello({ token, bridge, script, openers: questions, played: conversation, lanes, pacing, now, model }) {
  show = createTimeline(
    { diagram: $(".marbles"), log: $(".log"), raw: $(".raw") },
    { lanes, skew: now - Date.now() / 1000 },
  );
  if (model) $(".who").textContent = `Replies by ${model}.`;
  for (const text of questions) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.onclick = () => say(text);
    openers.append(button);
  }
  $("[name=pacing]").append(...pacing.map((/** @type {string} */ rule) => new Option(rule)));
  if (conversation) announce(conversation);
  restore();
  const { mount } = await import(new URL(script, location.href).href);
  mount({ token, url: new URL(bridge, location.href.replace(/^http/, "ws")).href });
  root.dataset.ready = "true";
}

// --- the chat ---

/** @param {{id: string, role: string, content: string}} message */
function addMessage({ id, role, content }) {
  const item = document.createElement("li");
  item.id = id;
  item.className = role === "user" ? "user" : "assistant writing";
  item.append(Object.assign(document.createElement("div"), { className: "bubble", textContent: content }));
  list.append(item);
  growth.observe(item);
  following = true;
  follow();
  openers.hidden = true;
  if (role === "user" && input.classList.contains("played")) typing({ text: null });
}

/** @param {{id: string, text: string}} token */
function addToken({ id, text }) {
  document.getElementById(id)?.querySelector(".bubble")?.append(text);
}

/** @param {{id: string, text: string}} message */
function problem({ id, text }) {
  document.getElementById(id)?.append(Object.assign(document.createElement("p"), { className: "problem", textContent: text }));
}

/** @param {{id: string, interrupted: boolean}} message */
function done({ id, interrupted }) {
  const item = document.getElementById(id);
  if (!item) return;
  item.classList.remove("writing");
  item.classList.toggle("interrupted", interrupted);
  if (interrupted) return;
  const ad = document.createElement("kontext-ad");
  ad.setAttribute("message-id", id);
  ad.setAttribute("code", "inlineAd");
  ad.setAttribute("theme", root.dataset.theme ?? "light");
  item.append(ad);
}

/** @param {string} text */
function say(text) {
  if (!text.trim()) return;
  openers.hidden = true;
  send({ type: "say", text });
}

form.onsubmit = (submitted) => {
  submitted.preventDefault();
  if (input.classList.contains("played")) return;
  say(input.value);
  input.value = "";
};

// --- a conversation that is played ---

/** @param {{number: number, title: string, more: boolean}} conversation */
function announce({ number, title, more }) {
  status.hidden = false;
  const what = document.createElement("span");
  what.append(
    `Conversation ${number}: `,
    Object.assign(document.createElement("strong"), { textContent: title }),
    Object.assign(document.createElement("span"), { className: "how", textContent: ", being played" }),
  );
  status.append(what);
  if (more) {
    const next = Object.assign(document.createElement("a"), { className: "next", href: `?conversation=${number + 1}` });
    next.textContent = "Next conversation";
    status.append(next);
  }
}

/** @param {{text: string | null}} typed What the played user types; null when it is sent. */
function typing({ text }) {
  input.value = text === null ? "" : input.classList.contains("played") ? input.value + text : text;
  input.classList.toggle("played", text !== null);
  input.scrollLeft = input.scrollWidth;
}

/** @param {{stopped: boolean}} end */
function played({ stopped }) {
  root.dataset.played = stopped ? "stopped" : "end";
  const how = document.querySelector(".status .how");
  if (how) how.textContent = stopped ? ", yours now" : ", played to its end";
  if (input.classList.contains("played")) typing({ text: null });
}

input.addEventListener("input", () => {
  if (input.classList.contains("played")) input.value = "";
  input.classList.remove("played");
  send({ type: "take over" });
});

// --- the switches ---

function set() {
  const chosen = Object.fromEntries(new FormData(switches));
  root.dataset.theme = String(chosen.theme);
  setConsent(String(chosen.consent));
  send({ type: "set", ...chosen });
  return chosen;
}

switches.onchange = () => sessionStorage.setItem(KEPT_AS, JSON.stringify(set()));

/** Set the switches as they were before the page was loaded again. */
function restore() {
  const kept = sessionStorage.getItem(KEPT_AS);
  if (!kept) return;
  for (const [name, value] of Object.entries(JSON.parse(kept))) {
    const one = switches.elements.namedItem(name);
    if (one instanceof HTMLSelectElement) one.value = value;
  }
  set();
}

/** @type {HTMLSelectElement} */ ($("[name=theme]")).value = root.dataset.theme = dark.matches ? "dark" : "light";
