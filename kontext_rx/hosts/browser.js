/**
 * The browser half of kontext_rx: shows the ads of one session in a page.
 *
 *     import { mount } from "/kontext/browser.js";
 *     const unmount = mount({ token });
 *
 * Places for ads are `<kontext-ad message-id="m2" code="inlineAd" theme="dark">`, for the ad of a message, and
 * `<div data-kontext-slot="top">`, for what the app mounts from Python; they may come and go as the page renders.
 * Without code: a `<meta name="kontext-token" content="...">` in the page mounts by itself.
 *
 * A page with a Content-Security-Policy allows the ad server in `frame-src`, and the bridge in `script-src` and
 * `connect-src`. An ad draws in its place and nowhere else, whatever its styles; only its modal covers the page.
 *
 * What the frames say is heard from the exact origin of the ad server and from the very frame; the protocol itself is
 * spoken in Python, at the other end of one WebSocket.
 */

const VERSION = 1;
const BEAT_MS = 200; // between two reports of dimensions. Source: the official SDKs
const CLICK_MS = 100; // for an ad that opens its link itself: that uses the click up, and no second tab follows
// Between the dialog's taking the focus and its frame's: where the two cross, Chromium gives the keys to neither.
const FOCUS_MS = 100;
const ACTIVE_MS = 5000; // for which a click lets a page open a tab. Source: Chromium, the longest of all browsers
const PING_MS = 20_000;
const WELCOME_MS = 15_000; // for a token, a socket and the other end's welcome; then they are tried again
const FRAME_CHARS = 16_000; // a frame's message as JSON; the other end has the same limit
const FRAME_RATE = 100; // messages of a frame a second; the rest is dropped, and counted
const MESSAGE_CHARS = 60_000; // one message to the other end, which hangs up on much more
const TALLEST_PX = 10_000; // of a place; the other end does not hear of a taller frame
const FOREIGN = 8; // origins of a frame that has gone elsewhere are told, each once
const KEPT = 512; // messages that wait for the other end; beyond it the page starts afresh
const BARE = "border:0;width:100%;background:transparent;color-scheme:auto;";
const SLOTS = "kontext-ad[message-id],[data-kontext-slot]";
const INSTALL_KEY = "kontext-install-id";

/**
 * @typedef {object} Options
 * @property {string | (() => string | Promise<string>)} token What `bridge.admit(session)` gave; a function is asked
 *     again whenever the page connects.
 * @property {string | URL} [url] The bridge's WebSocket; `ws` beside this file when left out.
 * @property {Document | Element | ShadowRoot} [root] Where places are looked for; the document when left out.
 * @property {boolean} [installId] False keeps nothing in local storage, and reports no install id.
 * @property {(why: string) => void} [onRefused] The page was sent away: "token", "session", "pages" or "version".
 */

/** @typedef {{do: (call: string, args: any[]) => void, check: () => boolean, remove: () => void}} Slot */
/** @typedef {(kind: "frame" | "foreign" | "dismissed", fields?: Record<string, unknown>) => void} Tell */

/**
 * The frames of one place. Used by `mount`, and by hosts that have another way to Python than a WebSocket.
 *
 * @param {HTMLElement} element Where the inline frame goes.
 * @param {Tell} tell Takes what the frames say: `frame` with `source` and `data` (JSON), `foreign` with `source` and
 *     `origin` when a frame has gone elsewhere and speaks, and `dismissed`.
 * @returns {Slot} `do` performs a call of the host; `check` is false when the page has thrown the frame out.
 */
export function createSlot(element, tell) {
  /** @type {HTMLIFrameElement | null} */ let inline = null;
  /** @type {HTMLIFrameElement | null} */ let modal = null;
  /** @type {HTMLDialogElement | null} */ let dialog = null;
  /** @type {HTMLElement | null} */ let link = null;
  /** @type {IntersectionObserver | null} */ let seen = null;
  /** @type {Set<string>} */ const foreign = new Set();
  // What is drawn in the box stays in it. The container is the ad's to style, and the element is left to the page.
  const box = document.createElement("div"), container = document.createElement("div");
  box.style.cssText = `contain:paint;width:100%;max-height:${TALLEST_PX}px`;
  box.append(container);
  let origin = "", code = "", beat = 0, onScreen = false, allowance = FRAME_RATE, refilled = 0, dropped = 0;

  /** @param {string} url @param {string} style */
  const frame = (url, style) => {
    const made = document.createElement("iframe");
    // No top navigation, forms, downloads or dialogs. Its own origin, which is not the page's, is what messages are
    // checked by, and what it opens for a click must work as any page does.
    made.setAttribute("sandbox", "allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox");
    made.referrerPolicy = "strict-origin"; // the address of a conversation is nobody's business
    made.title = "Advertisement";
    made.loading = "eager";
    made.style.cssText = BARE + style;
    made.src = url;
    return made;
  };

  /** @param {MessageEvent} event */
  const hear = (event) => {
    const isInline = event.source === inline?.contentWindow;
    if (!event.source || (!isInline && event.source !== modal?.contentWindow)) return;
    const source = isInline ? "inline" : "modal";
    if (event.origin !== origin) {
      if (foreign.size < FOREIGN && !foreign.has(event.origin)) {
        foreign.add(event.origin);
        tell("foreign", { source, origin: event.origin });
      }
      return;
    }
    const now = performance.now();
    allowance = Math.min(FRAME_RATE, allowance + ((now - refilled) * FRAME_RATE) / 1000);
    refilled = now;
    if (allowance < 1) {
      dropped++;
      return;
    }
    allowance--;
    let data = event.data;
    try {
      if (typeof data === "string" && data.length <= FRAME_CHARS) data = JSON.parse(data);
      if (!/-iframe/.test(data.type)) return;
      data = JSON.stringify(data); // in which half a character is escaped: it cannot spoil what is around it
    } catch {
      return; // not the protocol's: no object, or nothing that JSON can carry
    }
    if (data.length > FRAME_CHARS) {
      dropped++;
      return;
    }
    tell("frame", { source, data, ...(dropped && { dropped }) });
    dropped = 0;
  };

  const tellDimensions = () => {
    const place = element.getBoundingClientRect();
    post({
      type: "update-dimensions-iframe",
      data: {
        code,
        windowWidth: innerWidth,
        windowHeight: innerHeight,
        screenWidth: screen.width,
        screenHeight: screen.height,
        containerWidth: place.width,
        containerHeight: place.height,
        containerX: place.x,
        containerY: place.y,
        keyboardHeight: 0,
      },
    });
  };

  const pace = () => {
    const wanted = onScreen && !document.hidden;
    if (wanted === !!beat) return;
    clearInterval(beat);
    beat = wanted ? setInterval(tellDimensions, BEAT_MS) : 0;
    if (wanted) tellDimensions();
  };

  /** @param {unknown} message */
  const post = (message) => inline?.contentWindow?.postMessage(message, origin);

  /** @param {string} url */
  const load = (url) => {
    release();
    const address = new URL(url);
    if (!isWeb(address) || address.origin === location.origin) {
      // A frame of the page's own origin could reach into the page: the sandbox would be none.
      console.error("kontext: an ad must come from another origin than the page");
      return;
    }
    origin = address.origin;
    code = address.searchParams.get("code") ?? "";
    element.style.display ||= "block"; // an element that no browser knows is inline
    inline = frame(url, "display:none;height:0");
    addEventListener("message", hear);
    document.addEventListener("visibilitychange", pace);
    seen = new IntersectionObserver((entries) => {
      onScreen = entries[entries.length - 1].isIntersecting;
      pace();
    });
    container.append(inline);
    element.append(box);
    seen.observe(inline);
  };

  const release = () => {
    closeModal();
    removeEventListener("message", hear);
    document.removeEventListener("visibilitychange", pace);
    seen?.disconnect();
    box.remove();
    inline?.remove();
    link?.remove();
    container.style.cssText = "";
    foreign.clear();
    inline = link = seen = null;
    onScreen = false;
    pace();
  };

  /**
   * The ad's styles, which take the place of those before.
   *
   * @param {Record<string, string>} around @param {Record<string, string>} own
   */
  const style = (around, own) => {
    if (!inline) return;
    const { display, height } = inline.style;
    container.style.cssText = "";
    inline.style.cssText = `${BARE}display:${display};height:${height}`;
    for (const name in around) container.style.setProperty(name, around[name]);
    for (const name in own) inline.style.setProperty(name, own[name]);
  };

  const closeModal = () => {
    const closing = dialog;
    dialog = modal = null; // first: closing it is told to nobody
    closing?.close(); // gives the focus back
    closing?.remove();
  };

  const dismiss = () => {
    if (!dialog) return;
    // Told first: the modal's last word is its own.
    tell("dismissed");
    closeModal();
  };

  /** @param {string} url */
  const openModal = (url) => {
    closeModal();
    if (!inline || new URL(url).origin !== origin) return;
    dialog = document.createElement("dialog");
    dialog.ariaLabel = "Advertisement";
    dialog.style.cssText =
      "display:none;position:fixed;inset:0;width:100%;height:100%;max-width:none;max-height:none;" +
      "margin:0;padding:0;border:0;outline:0;overflow:hidden;background:transparent;z-index:2147483647";
    const close = document.createElement("button");
    close.textContent = "\u2715";
    close.ariaLabel = "Close advertisement";
    // For the keyboard: it shows when it has the focus, and covers nothing of the ad until then.
    close.style.cssText = "position:absolute;top:8px;right:8px;opacity:0;pointer-events:none";
    close.onfocus = () => (close.style.opacity = "1");
    close.onblur = () => (close.style.opacity = "0");
    close.onclick = dismiss;
    const made = dialog; // a later one may be open when this one's event comes
    made.oncancel = made.onclose = (event) => {
      event.preventDefault();
      if (made === dialog) dismiss();
    };
    modal = frame(url, "height:100%;display:none");
    // What gets the focus first: in the frame, Escape would be the frame's. One that wants it may take it then.
    const first = document.createElement("div");
    first.tabIndex = -1;
    first.autofocus = true;
    first.style.outline = "0";
    dialog.append(first, modal, close);
    document.body.append(dialog);
  };

  const revealModal = () => {
    if (!dialog || dialog.open) return;
    dialog.style.display = "block";
    dialog.showModal(); // above everything, whatever the page's layers
    const shown = modal;
    setTimeout(() => shown?.style.setProperty("display", "block"), FOCUS_MS);
  };

  /**
   * For an address that no page can open, such as one of an app's own scheme, there is the fallback. A page has no
   * browser of its own inside: `in-app` is a tab too.
   *
   * @param {string} url @param {string} _target @param {string | null} [fallback]
   */
  const openLink = (url, _target, fallback) => {
    const address = webAddress(url) ?? webAddress(fallback);
    if (address) setTimeout(() => follow(address), CLICK_MS);
  };

  /** @param {URL} address */
  const follow = (address) => {
    if (!inline) return;
    link?.remove();
    link = null;
    // The click has activated the page too, for some seconds. Without that a browser opens nothing, and says nothing.
    // A click on the page itself is not the ad's to use: what a frame was clicked for, it has the focus.
    const isOwn = performance.now() - touched > ACTIVE_MS || [inline, modal].some((one) => one && isFocused(one));
    if (isOwn && (navigator.userActivation?.isActive ?? true)) {
      open(address, "_blank", "noopener,noreferrer");
      return;
    }
    if (document.hidden) return; // the user is there already
    const shown = document.createElement("a");
    shown.href = address.href;
    shown.target = "_blank";
    shown.rel = "noopener noreferrer";
    shown.textContent = `Open ${address.host} \u2197`;
    shown.style.cssText = "display:block;padding:4px;font:14px sans-serif";
    shown.onclick = () => setTimeout(() => shown.remove());
    link = shown;
    (dialog?.open ? dialog : element).append(shown);
  };

  /** @type {Record<string, (...args: any[]) => void>} */
  const calls = {
    load,
    release,
    style,
    /** @param {any} message */
    post(message) {
      post(message);
      if (message.type === "update-iframe") tellDimensions(); // the first, before it is on screen
    },
    show: () => inline?.style.setProperty("display", "block"),
    hide: () => inline?.style.setProperty("display", "none"),
    /** @param {number} height */
    resize: (height) => inline?.style.setProperty("height", `${height}px`),
    open_modal: openModal,
    reveal_modal: revealModal,
    close_modal: closeModal,
    open_link: openLink,
  };
  return {
    do: (call, args) => calls[call]?.(...args),
    check() {
      if (dialog && !dialog.isConnected) dismiss();
      return !inline || inline.isConnected;
    },
    remove: release,
  };
}

/**
 * Shows the ads of a session in this page, from now on.
 *
 * @param {Options} options
 * @returns {() => void} Removes everything again.
 */
export function mount({ token, url, root = document, installId: keep = true, onRefused }) {
  /** @typedef {{id: number, element: HTMLElement, key: string, slot: Slot}} Place */
  /** @type {Map<HTMLElement, Place>} */ const places = new Map();
  /** @type {{n: number, text: string}[]} */ let waiting = [];
  /** @type {WebSocket | null} */ let socket = null;
  let page = randomId(), sent = 0, seen = 0, slots = 0, tries = 0, retry = 0, deadline = 0, attempts = 0;
  let welcome = false, stopped = false, heard = true;
  /** @type {Record<string, string>} */ const reports = {};

  const address = url ? new URL(url, location.href) : new URL("ws", import.meta.url);
  address.protocol = address.protocol.replace("http", "ws");

  // --- the channel: numbered, kept until acknowledged, resumed on the next socket ---

  /** @param {string} t @param {Record<string, unknown>} [fields] */
  const send = (t, fields) => {
    const text = JSON.stringify({ t, n: sent + 1, ...fields });
    if (text.length > MESSAGE_CHARS) return console.error(`kontext: too long to be told: ${t}`);
    waiting.push({ n: ++sent, text });
    if (waiting.length > KEPT) {
      page = randomId();
      clear();
      lose(0);
    } else if (welcome) socket?.send(text);
  };

  const clear = () => {
    for (const place of places.values()) place.slot.remove();
    places.clear();
    waiting = [];
    welcome = false;
    sent = seen = 0;
  };

  const connect = async () => {
    clearTimeout(retry);
    retry = 0;
    const current = ++attempts;
    deadline = setTimeout(lose, WELCOME_MS, 0); // neither a socket that hangs nor a token that never comes says so
    try {
      const secret = typeof token === "function" ? await token() : token;
      if (stopped || current !== attempts) return;
      const opened = (socket = new WebSocket(address));
      opened.onopen = () => opened.send(JSON.stringify({ t: "hello", v: VERSION, token: secret, page, seen }));
      opened.onmessage = (event) => opened === socket && receive(JSON.parse(event.data));
      opened.onclose = (event) => {
        if (opened === socket) lose(event.code);
      };
    } catch {
      if (current === attempts) lose(0);
    }
  };

  /** @param {number} closedWith */
  const lose = (closedWith) => {
    const old = socket;
    socket = null;
    welcome = false;
    attempts++; // a token that comes now is too late
    clearTimeout(deadline);
    old?.close();
    if (stopped || retry) return;
    if ([1003, 1007, 1008, 1009, 1011].includes(closedWith)) page = randomId(); // what it was told does not go down
    retry = setTimeout(connect, Math.min(30_000, 500 * 2 ** tries++) * (0.5 + Math.random() / 2));
  };

  /** @param {any} message */
  const receive = (message) => {
    heard = true;
    switch (message.t) {
      case "welcome":
        clearTimeout(deadline);
        tries = 0;
        if (message.fresh) {
          clear();
          welcome = true;
          for (const kind in reports) send(kind, JSON.parse(reports[kind]));
          sync();
        } else {
          welcome = true;
          acknowledge(message.seen);
          for (const { text } of waiting) socket?.send(text);
        }
        break;
      case "do":
        if (message.n <= seen) break;
        if (message.n > seen + 1) return lose(0); // something went missing: resume from what was seen
        seen = message.n;
        socket?.send(JSON.stringify({ t: "ack", a: seen }));
        for (const place of places.values()) {
          if (place.id === message.slot) attempt(() => place.slot.do(message.call, message.args));
        }
        break;
      case "ack":
        acknowledge(message.a);
        break;
      case "refused":
        clear();
        page = randomId();
        if (typeof token !== "function" || !["token", "session"].includes(message.why)) unmount();
        onRefused?.(message.why);
    }
  };

  /** @param {number} number */
  const acknowledge = (number) => {
    waiting = waiting.filter(({ n }) => n > number);
  };

  const ping = () => {
    if (!welcome) return; // until then there is a deadline
    if (!heard) return lose(0); // nobody there, and no one to say so
    heard = false;
    socket?.send('{"t":"ping"}');
  };

  const hurry = () => {
    if (!retry) return;
    tries = 0;
    connect();
  };

  // --- the places: they come and go as the page renders ---

  const sync = () => {
    if (stopped) return;
    /** @type {number[]} */ const gone = [];
    for (const place of [...places.values()]) {
      if (!root.contains(place.element) || place.key !== keyOf(place.element) || !place.slot.check()) {
        places.delete(place.element);
        place.slot.remove();
        gone.push(place.id);
      }
    }
    for (const found of root.querySelectorAll(SLOTS)) {
      const element = /** @type {HTMLElement} */ (found);
      if (places.has(element)) continue;
      const id = ++slots;
      const slot = createSlot(element, (kind, fields) => send(kind, { slot: id, ...fields }));
      const key = keyOf(element);
      places.set(element, { id, element, key, slot });
      send("slot", { slot: id, ...JSON.parse(key) });
    }
    // Told last: an ad whose place was rendered anew is not given to another tab in between.
    for (const id of gone) send("gone", { slot: id });
  };

  /** @param {string} kind @param {Record<string, unknown>} fields */
  const report = (kind, fields) => {
    const text = JSON.stringify(fields);
    if (reports[kind] === text) return;
    reports[kind] = text;
    if (!stopped) send(kind, fields);
  };

  const unmount = () => {
    if (stopped) return;
    stopped = true;
    observer.disconnect();
    clearTimeout(retry);
    clearTimeout(deadline);
    clearInterval(pinging);
    for (const end of ends) attempt(end);
    clear();
    if (socket?.readyState === 1) socket.send('{"t":"bye"}');
    socket?.close();
    socket = null;
  };

  const observer = new MutationObserver((records) => {
    // A reply that streams in is text, many times a second: no place comes or goes with it.
    const isElement = (/** @type {Node} */ node) => node.nodeType === 1;
    const changed = records.some(
      ({ type, addedNodes, removedNodes }) => type !== "childList" || [...addedNodes, ...removedNodes].some(isElement),
    );
    if (changed) sync();
  });
  observer.observe(root, {
    childList: true,
    subtree: true,
    attributeFilter: ["message-id", "code", "theme", "data-kontext-slot"],
  });
  const pinging = setInterval(ping, PING_MS);
  /** @type {(() => void)[]} */
  const ends = [
    listen(window, "online", hurry),
    listen(document, "visibilitychange", () => document.hidden || hurry()),
    listen(window, "pagehide", (event) => {
      // The page is closed, and not only put aside: its ads are let go at once.
      if (!(/** @type {PageTransitionEvent} */ (event).persisted) && welcome) socket?.send('{"t":"bye"}');
    }),
    watchContext((context) => report("context", context)),
    watchConsent((consent) => report("consent", consent)),
  ];
  if (keep) report("install", { id: installId() });
  connect();
  return unmount;
}

/**
 * This browser's install id, made when it is first asked for; the app may create its session with it.
 *
 * @returns {string} A UUID of version 7. It is another one each time where local storage is not to be had.
 */
export function installId() {
  const made = uuid7();
  try {
    const known = localStorage.getItem(INSTALL_KEY);
    if (known && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(known)) return known;
    localStorage.setItem(INSTALL_KEY, made);
  } catch {
    // Storage is blocked, or full.
  }
  return made;
}

/** @param {(context: Record<string, unknown>) => void} report @returns {() => void} */
function watchContext(report) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const dpr = devicePixelRatio || 1;
    report({
      userAgent: navigator.userAgent,
      language: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      screen: {
        width: Math.round(screen.width * dpr),
        height: Math.round(screen.height * dpr),
        dpr,
        darkMode: dark.matches,
        orientation: screen.width > screen.height ? "landscape" : "portrait",
      },
    });
  };
  look();
  const ends = [listen(dark, "change", look), listen(window, "languagechange", look), listen(window, "resize", look)];
  return () => ends.forEach((end) => end());
}

/** What the page's consent platform says (IAB TCF), also when it comes late or changes its mind.
 *
 * @param {(consent: Record<string, unknown>) => void} report @returns {() => void}
 */
function watchConsent(report) {
  /** @type {number | undefined} */ let listener;
  let stopped = false, timer = 0, tries = 0;
  const api = () => /** @type {any} */ (window).__tcfapi;
  const ask = () => {
    if (typeof api() !== "function") {
      if (tries++ < 60) timer = setTimeout(ask, 500);
      return;
    }
    attempt(() =>
      api()("addEventListener", 2, (/** @type {any} */ said, /** @type {boolean} */ ok) => {
        if (!ok || stopped) return;
        listener = said.listenerId;
        if (said.eventStatus === "cmpuishown" && !said.tcString) return; // the user is being asked
        const { gdprApplies, tcString } = said;
        report({ gdpr: typeof gdprApplies === "boolean" ? +gdprApplies : null, gdprConsent: tcString || null });
      }),
    );
  };
  ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
    if (listener !== undefined) api()?.("removeEventListener", 2, () => {}, listener);
  };
}

/** @param {EventTarget} target @param {string} type @param {(event: Event) => void} listener */
function listen(target, type, listener) {
  target.addEventListener(type, listener);
  return () => target.removeEventListener(type, listener);
}

/** @param {() => void} action Whose failure is nobody else's. */
function attempt(action) {
  try {
    action();
  } catch (error) {
    console.error("kontext:", error);
  }
}

/** What a place is for, as JSON. @param {Element} element */
function keyOf(element) {
  const [name, messageId, code, theme] = ["data-kontext-slot", "message-id", "code", "theme"].map(
    // Half a character is no text at the other end.
    (attribute) => element.getAttribute(attribute)?.replace(/\p{Surrogate}/gu, "\ufffd") || undefined,
  );
  return JSON.stringify(name ? { name } : { messageId, code, theme });
}

/** @param {URL} address */
function isWeb(address) {
  return /^https?:$/.test(address.protocol);
}

/** The address, if a page may open it: http and https. @param {string | null} [url] */
function webAddress(url) {
  try {
    const address = new URL(url ?? "", url?.startsWith("//") ? location.href : undefined);
    return isWeb(address) ? address : null;
  } catch {
    return null;
  }
}

/** Whether a frame has the focus, or something in it. @param {HTMLIFrameElement} frame */
function isFocused(frame) {
  return /** @type {Document | ShadowRoot} */ (frame.getRootNode()).activeElement === frame;
}

function randomBytes() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function randomId() {
  return randomBytes();
}

function uuid7() {
  const hex = Date.now().toString(16).padStart(12, "0") + "7" + randomBytes().slice(13);
  const variant = "89ab"[parseInt(hex[16], 16) & 3];
  return (hex.slice(0, 16) + variant + hex.slice(17)).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

let touched = -Infinity; // when the page itself was last clicked or typed in; what happens in a frame is not seen here
for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => (touched = performance.now()), true);

const meta = document.querySelector('meta[name="kontext-token"]');
if (meta) mount({ token: /** @type {HTMLMetaElement} */ (meta).content });
