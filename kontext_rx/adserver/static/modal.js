// @ts-check
/** The modal of an ad: what the interstitial opens into, and where a reward is earned. */
import { post, tellClicks, tellOnce, tellVideo, viewed, watch } from "./ad.js";

const sheet = /** @type {HTMLElement} */ (document.querySelector("[data-card]"));
const closer = /** @type {HTMLElement} */ (document.querySelector("[data-testid=close-modal]"));
const video = /** @type {HTMLVideoElement | null} */ (document.querySelector("video"));
const left = document.querySelector("[data-left]");

let closed = false;

function close() {
  if (closed) return;
  closed = true; // leaving early grants nothing, even if the host is slow to take the page away
  video?.pause();
  post("close-component-iframe");
}

closer.addEventListener("click", close);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
  if (event.key === "Tab") keepFocus(event);
});
document.querySelector("[data-scrim]")?.addEventListener("click", close);

/** @param {KeyboardEvent} event A Tab, which must not lead out of the modal. */
function keepFocus(event) {
  const stops = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("button, a[href]")]).filter(
    (stop) => stop.offsetParent !== null,
  );
  const [first, last] = event.shiftKey ? [stops.at(-1), stops[0]] : [stops[0], stops.at(-1)];
  if (document.activeElement !== last) return;
  event.preventDefault();
  first?.focus();
}

// The host reveals the page only after this; what follows waits until it is really displayed.
tellClicks();
document.documentElement.dataset.state = "done";
post("init-component-iframe");

let revealed = false;
function reveal() {
  if (revealed || window.innerWidth === 0) return;
  revealed = true;
  closer.focus({ preventScroll: true });
  if (video) play(video);
  else watch(sheet, 1, viewed);
}
new ResizeObserver(reveal).observe(document.documentElement);
addEventListener("resize", reveal);
reveal();

/** @param {HTMLVideoElement} playing */
function play(playing) {
  const button = document.querySelector("[data-play]");
  const start = () => playing.play().catch(() => button?.removeAttribute("hidden"));
  tellVideo(playing, (seconds) => {
    if (left && !playing.ended) left.textContent = seconds > 0 ? `Reward in ${seconds} s` : "";
  });
  const look = watch(playing, 2, viewed, () => !playing.paused && !playing.ended);
  for (const change of ["playing", "pause", "ended"]) playing.addEventListener(change, look);
  playing.addEventListener("playing", () => button?.setAttribute("hidden", ""));
  playing.addEventListener("ended", () => {
    if (closed) return;
    document.documentElement.dataset.video = "ended";
    document.documentElement.dataset.reward = "granted";
    closer.setAttribute("aria-label", "Close");
    tellOnce("reward.granted");
  });
  button?.addEventListener("click", start);
  document.addEventListener("visibilitychange", () => {
    if (playing.ended || closed) return;
    if (document.visibilityState === "visible") start();
    else playing.pause();
  });
  start();
}
