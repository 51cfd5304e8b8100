// @ts-check
/**
 * What the inline page and the modal share: the protocol with the host, clicks, and when an ad counts as viewed.
 *
 * @typedef {object} Ad What the server wrote into the page.
 * @property {string} id The bid's id.
 * @property {string} code The placement.
 * @property {string} format What the ad is shown as.
 * @property {string} content What the ad says.
 * @property {number} revenue US dollars.
 * @property {number} hue Degrees.
 * @property {"relative" | "absolute"} link How a click names its address.
 * @property {"immediate" | "component"} trigger Whether the ad counts here, or in its modal.
 */

const query = new URLSearchParams(location.search);

/** @type {Ad} */
export const ad = JSON.parse(document.body.dataset.ad ?? "{}");
export const component = document.body.dataset.component;
export const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

const code = query.get("code") ?? ad.code;
const sdk = query.get("sdk") ?? "";
const framed = window.parent !== window;
/** The hosts that open what was clicked themselves; in a browser page the frame does it. */
const hostOpens = /^sdk-(python|swift|kotlin|flutter|react-native)$/.test(sdk);

let messageId = query.get("messageId") ?? undefined;

// The host

/**
 * @param {string} type
 * @param {Record<string, unknown>} [data]
 */
export function post(type, data = {}) {
  if (!framed) return; // opened on its own, to be looked at
  // A frame cannot know its host, so the target is anyone; nothing in here is a secret.
  window.parent.postMessage({ type, data: { ...data, code, ...(component && { component }) } }, "*");
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} [payload]
 */
export function tell(name, payload = {}) {
  post("event-iframe", { name, payload: { id: ad.id, messageId, ...payload } });
}

/** What several messages say about the ad. */
export const about = () => ({ id: ad.id, content: ad.content, messageId });

/**
 * Hear the host: only the window that holds this one, only messages of the protocol, only for this placement.
 * @param {(type: string, data: Record<string, any>) => void} hear
 */
export function listen(hear) {
  addEventListener("message", (event) => {
    if (event.source !== window.parent || !framed) return;
    const message = event.data;
    if (typeof message !== "object" || message === null || typeof message.type !== "string") return;
    const data = typeof message.data === "object" && message.data !== null ? message.data : {};
    if (typeof data.code === "string" && data.code !== code) return;
    if (typeof data.messageId === "string") messageId = data.messageId;
    hear(message.type, data);
  });
}

// How it looks

/** @type {string | undefined} */
let theme;

/** Dark, light, or undefined for as the system has it; in the modal, what the inline page last had. */
export const currentTheme = () => theme;

/** @param {unknown} asked A theme's name; with neither "dark" nor "light" in it, the address decides, then the system. */
export function wear(asked) {
  const names = [asked, query.get("theme")].map((name) => /dark|light/i.exec(String(name ?? ""))?.[0].toLowerCase());
  theme = names[0] ?? names[1];
  document.documentElement.dataset.theme = theme ?? "";
}

document.documentElement.style.setProperty("--hue", String(ad.hue ?? 250));
wear(params().theme);

/** @returns {Record<string, unknown>} What the inline page gave the modal along. */
function params() {
  try {
    const given = JSON.parse(query.get("componentParams") ?? "{}");
    return typeof given === "object" && given !== null ? given : {};
  } catch {
    return {};
  }
}

// What happens once to an ad, be it inline or in its modal

/** @type {Window & { kontextAd?: { id: string, done: Set<string>, onDone?: (name: string) => void } }} */
const here = window;
here.kontextAd = { id: ad.id, done: new Set() };

/** The memory of the inline page, where there is one beside this page; else this page's own. */
function memory() {
  for (let n = 0; component && framed && n < window.parent.length; n++) {
    try {
      const beside = /** @type {typeof here} */ (window.parent[n]).kontextAd;
      if (window.parent[n] !== window && beside?.id === ad.id) return beside;
    } catch {
      // a page from elsewhere
    }
  }
  return here.kontextAd;
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} [payload]
 * @returns {boolean} Whether it had not been told before.
 */
export function tellOnce(name, payload) {
  const known = memory();
  if (known?.done.has(name)) return false;
  known?.done.add(name);
  tell(name, payload);
  known?.onDone?.(name);
  return true;
}

/** @param {(name: string) => void} hear Called with what was told once, here or in the modal. */
export function onceTold(hear) {
  if (here.kontextAd) here.kontextAd.onDone = hear;
}

// Viewed

/**
 * Call *viewed* when at least half of *target* has been in view for *seconds* without a break, on a visible page.
 * Source: the MRC's viewability guidelines, one second for display and two for video.
 * @param {Element} target
 * @param {number} seconds
 * @param {() => void} viewed
 * @returns {() => void} Look again: something that *running* goes by has changed.
 */
export function watch(target, seconds, viewed, running = () => true) {
  let half = false;
  /** @type {number | undefined} */
  let timer;
  const look = () => {
    const counts = half && document.visibilityState === "visible" && running();
    if (counts && timer === undefined) {
      timer = setTimeout(() => {
        observer.disconnect();
        document.removeEventListener("visibilitychange", look);
        viewed();
      }, seconds * 1000);
    } else if (!counts) {
      clearTimeout(timer);
      timer = undefined;
    }
  };
  const observer = new IntersectionObserver(
    (entries) => {
      half = (entries.at(-1)?.intersectionRatio ?? 0) >= 0.5;
      look();
    },
    { threshold: [0, 0.5, 1] },
  );
  observer.observe(target);
  document.addEventListener("visibilitychange", look);
  return look;
}

/** Tell that the ad was viewed, once; `view-iframe` is what older SDKs hear. */
export function viewed() {
  if (tellOnce("ad.viewed", { ...about(), format: ad.format, revenue: ad.revenue })) post("view-iframe", about());
}

// Clicked

/** Make every link to the advertiser tell of its clicks; each is stretched over the whole ad. */
export function tellClicks() {
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("a[data-to]"))) {
    const url = ad.link === "absolute" ? link.href : link.dataset.to;
    /** @param {MouseEvent} event */
    const clicked = (event) => {
      if (event.button > 1) return;
      tell("ad.clicked", { ...about(), url, format: ad.format, area: areaOf(event) });
      post("click-iframe", { ...about(), url, target: "browser" });
      if (framed && hostOpens) event.preventDefault();
    };
    link.addEventListener("click", clicked);
    link.addEventListener("auxclick", clicked); // the middle button
  }
}

/**
 * @param {MouseEvent} event
 * @returns {string} The part of the ad under the pointer; a key has none, and means the link itself.
 */
function areaOf(event) {
  const under = event.detail === 0 ? [] : document.elementsFromPoint(event.clientX, event.clientY);
  for (const element of under) {
    const area = /** @type {HTMLElement} */ (element).dataset?.area;
    if (area && !(area === "action" && !within(element, event))) return area;
  }
  return under.length ? "body" : "action";
}

/**
 * @param {Element} element
 * @param {MouseEvent} event
 */
function within(element, event) {
  // The stretched link is "under" every point of the ad: its own box is what it looks like.
  const box = element.getBoundingClientRect();
  return (
    event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom
  );
}

// A video

/**
 * Tell of a video's start and end, show how far it is, and let it rest while nobody can see the page.
 * @param {HTMLVideoElement} video
 * @param {(left: number) => void} [onTime] Called with the seconds that are left.
 */
export function tellVideo(video, onTime) {
  const bar = /** @type {HTMLElement | null} */ (document.querySelector("[data-bar]"));
  video.addEventListener("playing", () => tellOnce("video.started"));
  video.addEventListener("ended", () => tellOnce("video.completed"));
  video.addEventListener("timeupdate", () => {
    const length = video.duration || 1;
    bar?.style.setProperty("--played", String(video.currentTime / length));
    onTime?.(Math.max(0, Math.ceil(length - video.currentTime)));
  });
}
