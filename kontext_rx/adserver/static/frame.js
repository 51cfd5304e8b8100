// @ts-check
/** The inline page of an ad: says hello, streams its text, keeps the host's frame as high as it is. */
import {
  about, ad, calm, currentTheme, listen, onceTold, post, tell, tellClicks, tellVideo, viewed, watch, wear,
} from "./ad.js";

/** Milliseconds to wait for the host's answer before rendering without it. */
const PATIENCE = 500;
/** Milliseconds between two tokens. */
const PACE = 45;
/** Milliseconds a modal has to show itself. */
const MODAL_TIMEOUT = 5000;

const card = /** @type {HTMLElement} */ (document.querySelector("[data-card]"));
const stream = /** @type {HTMLElement} */ (document.querySelector("[data-stream]"));
const video = /** @type {HTMLVideoElement | null} */ (document.querySelector("video"));
const opener = /** @type {HTMLElement | null} */ (document.querySelector("[data-testid=open-modal]"));
/** @param {number} ms */
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The height

let height = 0;

/** Tell the host how high the ad is; in a frame that is not displayed nothing can be measured. */
function measure() {
  const now = window.innerWidth > 0 ? Math.ceil(card.getBoundingClientRect().bottom) : 0;
  if (now <= 0 || now === height || !started) return;
  height = now;
  post("resize-iframe", { height });
}

// Rendering

let started = false;

async function render() {
  if (started) return;
  started = true;
  tellClicks();
  // Shown before, it is not streamed again; nor for those who want no motion.
  const atOnce = calm || new URLSearchParams(location.search).has("cachedContent");
  const tokens = atOnce ? [ad.content] : ad.content.match(/\s*\S+/g) ?? [ad.content];
  document.documentElement.dataset.state = "streaming";
  for (const [place, token] of tokens.entries()) {
    const shown = document.createElement("span");
    shown.textContent = token;
    stream.append(shown);
    if (place === 0) tell("ad.render-started");
    measure();
    if (place === 0) post("show-iframe");
    if (place < tokens.length - 1) await pause(PACE);
  }
  document.documentElement.dataset.state = "done";
  measure();
  tell("ad.render-completed");
  post("ad-done-iframe", { ...about(), cachedContent: ad.content });
  if (video) play(video);
  else if (ad.trigger === "immediate") watch(card, 1, viewed);
  // A host that displays the frame late gives it a width late, and a frame far from view hears of nothing.
  while (height === 0) {
    await pause(100);
    measure();
  }
}

/** @param {HTMLVideoElement} playing */
function play(playing) {
  const button = /** @type {HTMLElement | null} */ (document.querySelector("[data-play]"));
  const start = () => playing.play().catch(() => button?.removeAttribute("hidden"));
  tellVideo(playing);
  const look = watch(playing, 2, viewed, () => !playing.paused && !playing.ended);
  for (const change of ["playing", "pause", "ended"]) playing.addEventListener(change, look);
  playing.addEventListener("playing", () => button?.setAttribute("hidden", ""));
  playing.addEventListener("ended", () => (document.documentElement.dataset.video = "ended"));
  button?.addEventListener("click", () => {
    document.documentElement.dataset.video = "";
    start();
  });
  if (calm) {
    button?.removeAttribute("hidden");
    return;
  }
  new IntersectionObserver((entries) => {
    if (playing.ended) return;
    if ((entries.at(-1)?.intersectionRatio ?? 0) >= 0.5) start();
    else playing.pause();
  }, { threshold: [0, 0.5, 1] }).observe(playing);
}

// The modal

opener?.addEventListener("click", () => {
  post("open-component-iframe", {
    component: "modal",
    timeout: MODAL_TIMEOUT,
    componentParams: { theme: currentTheme() },
  });
});
onceTold((name) => {
  if (name === "reward.granted") document.documentElement.dataset.reward = "granted";
});

// The host

listen((type, data) => {
  if (type !== "update-iframe") return;
  wear(data.otherParams?.theme);
  render();
});
new ResizeObserver(measure).observe(card);
addEventListener("resize", measure);
post("init-iframe");
setTimeout(render, PATIENCE);
