/**
 * A view of an `AdCell`: the ad in a notebook's output, and what happens to it beside it. An anywidget.
 *
 * It speaks to Python over two traits. Python writes `_down`: which views it knows, which one shows the ad, up to which
 * message that one was heard, and the commands that it is not known to have performed. A view writes `_up`: its id, the
 * number of the last command that it performed, and the messages that it does not know to be heard. Either may be
 * overwritten before it is sent, by another view for one; so a view writes again until it sees that it was heard.
 */
import { createSlot } from "../hosts/browser.js";

const WRITE_AGAIN_MS = 500; // doubled each time, up to:
const WRITE_SELDOM_MS = 8_000;
const QUIET_MS = 4_000; // without an answer the view says that the kernel is silent
const AT_ONCE = 64; // messages written at once; Python takes no more
const UNHEARD = 512; // messages that wait for the kernel; what comes then is dropped, and counted

/**
 * @typedef {object} Model What anywidget gives.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(event: string, listener: () => void) => void} on
 * @property {(event: string, listener: () => void) => void} off
 */

/**
 * @param {{model: Model, el: HTMLElement}} given
 * @returns {() => void} Takes the view away again.
 */
function render({ model, el }) {
  /** @param {Element} parent @param {string} tag @param {string} name */
  const add = (parent, tag, name) => {
    const made = document.createElement(tag);
    made.className = name && `kontext-cell__${name}`;
    parent.append(made);
    return made;
  };
  const root = document.createElement("div");
  root.className = "kontext-cell";
  const left = add(root, "section", "ad");
  add(left, "p", "title").textContent = model.get("_title");
  const place = add(left, "div", "place");
  const note = add(left, "p", "note");
  const quiet = add(left, "p", "quiet");
  quiet.textContent = "The kernel does not answer: it is busy, or gone.";
  quiet.hidden = true;
  const right = add(root, "section", "events");
  add(right, "p", "title").textContent = "Events";
  const list = add(right, "ol", "list");
  list.ariaLabel = "Events";
  list.ariaLive = "polite";
  list.tabIndex = 0; // it scrolls, so the keyboard must reach it
  el.append(root);

  let view = "", done = 0, sent = 0, written = 0, dropped = 0, tries = 0, timer = 0, silence = 0;
  let isLost = false, isGone = false;
  /** @type {ReturnType<typeof createSlot> | null} */ let slot = null;
  /** @type {{n: number, text: string}[]} */ let waiting = [];
  /** @type {string[]} */ let listed = [];

  const isHeard = () => !!slot && !waiting.length && !model.get("_down").commands.length;

  const write = () => {
    clearTimeout(timer);
    const now = waiting.slice(0, AT_ONCE);
    written = now[now.length - 1]?.n ?? written;
    // `tries` is read by nobody: a value that did not change would not be sent.
    model.set("_up", { view, done, said: now.map(({ text }) => text), gone: isGone, tries: ++tries });
    model.save_changes();
    if (isGone) return;
    timer = setTimeout(writeAgain, Math.min(WRITE_SELDOM_MS, WRITE_AGAIN_MS * 2 ** (tries - 1)));
    silence ||= setTimeout(tellSilence, QUIET_MS);
  };

  const writeAgain = () => {
    if (!isLost && !isHeard()) write();
  };

  const tellSilence = () => {
    silence = 0;
    quiet.hidden = isLost || isHeard();
  };

  /** @type {Parameters<typeof createSlot>[1]} */
  const tell = (t, fields) => {
    if (waiting.length >= UNHEARD) {
      dropped++;
      return;
    }
    const all = dropped + Number(fields?.dropped ?? 0);
    const n = ++sent;
    waiting.push({ n, text: JSON.stringify({ t, n, slot: 1, ...fields, ...(all && { dropped: all }) }) });
    dropped = 0;
    if (waiting.length <= AT_ONCE) write();
  };

  const ask = () => {
    view = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36).padStart(7, "0")).join("-");
    done = sent = written = tries = 0;
    waiting = [];
    isLost = false;
    showNote();
    write();
  };

  const answered = () => {
    clearTimeout(silence);
    silence = tries = 0;
    quiet.hidden = true;
  };

  const lose = () => {
    isLost = true;
    clearTimeout(timer);
    answered();
    slot?.remove();
    slot = null;
    waiting = [];
    showNote();
  };

  const read = () => {
    const { known, shown, heard, commands } = model.get("_down");
    if (isLost || !known.includes(view)) return;
    if (shown !== view) return lose();
    if (!slot) slot = createSlot(place, tell);
    answered();
    waiting = waiting.filter(({ n }) => n > heard);
    const before = done;
    for (const text of commands) {
      const { n, call, args } = JSON.parse(text);
      if (n <= done) continue;
      done = n;
      try {
        slot.do(call, args);
      } catch (error) {
        console.error("kontext:", error);
      }
    }
    if (done > before || waiting.some(({ n }) => n > written)) write();
  };

  const showNote = () => {
    const text = model.get("_note");
    note.replaceChildren(isLost && !text ? "This ad is shown in another place." : text);
    note.hidden = !isLost && !text;
    if (!isLost || model.get("_ended")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show it here";
    button.onclick = ask;
    note.append(button);
  };

  /** @param {{at: number, name: string, detail: string}} row */
  const addRow = ({ at, name, detail }) => {
    const item = add(list, "li", "");
    item.title = `${new Date(at * 1000).toISOString()}  ${name}  ${detail}`;
    add(item, "time", "").textContent = `+${(at - model.get("_start")).toFixed(3)} s`;
    const named = add(item, "span", "name");
    named.textContent = named.dataset.name = name;
    add(item, "span", "detail").textContent = detail;
  };

  const showRows = () => {
    const rows = model.get("_rows");
    const now = rows.map((/** @type {unknown} */ row) => JSON.stringify(row));
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
    while (listed.length && listed[0] !== now[0]) {
      listed.shift(); // the oldest go
      list.firstChild?.remove();
    }
    for (const row of rows.slice(listed.length)) addRow(row);
    listed = now;
    right.hidden = !rows.length;
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  };

  /** @type {[string, () => void][]} */
  const watched = [
    ["change:_down", read],
    ["change:_note", showNote],
    ["change:_ended", showNote],
    ["change:_rows", showRows],
  ];
  for (const [event, listener] of watched) model.on(event, listener);
  const placed = new ResizeObserver(() => {
    if (!list.clientHeight) return; // a list has no end to scroll to until it is in the page
    list.scrollTop = list.scrollHeight;
    placed.disconnect();
  });
  placed.observe(list);
  showRows();
  ask();
  return () => {
    for (const [event, listener] of watched) model.off(event, listener);
    clearTimeout(timer);
    clearTimeout(silence);
    placed.disconnect();
    slot?.remove(); // an open modal is closed without a word: that the view is gone says it
    root.remove();
    isGone = true;
    if (!isLost) write();
  };
}

export default { render };
