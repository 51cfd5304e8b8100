// A consent platform for the demo: the page's `__tcfapi` (IAB TCF 2.2), and the switch that decides for the user.
// @ts-check

/** @typedef {(data: object | boolean, success: boolean) => void} Callback */

// Core strings of 2026-01-01, with no vendor in them: all eleven purposes granted, and none.
/** @type {Record<string, string>} */
const STRINGS = {
  granted: "CQdWToAQdWToAAAABBENABEgAP_gAAAAAAYgAAAAAAAA",
  refused: "CQdWToAQdWToAAAABBENABEgAAAAAAAAAAYgAAAAAAAA",
};

/** @type {Map<number, Callback>} */
const listeners = new Map();
let choice = "none", numbers = 0;

/** @param {number} listenerId */
function say(listenerId) {
  const tcString = STRINGS[choice];
  const said = tcString ? { gdprApplies: true, tcString } : { tcString: "" };
  listeners.get(listenerId)?.({ ...said, listenerId, eventStatus: "useractioncomplete", cmpStatus: "loaded" }, true);
}

/**
 * Without a platform this is the stub that pages have until theirs is loaded: whoever listens is kept waiting.
 *
 * @param {string} command @param {number} _version @param {Callback} callback @param {number} [listenerId]
 */
function tcfapi(command, _version, callback, listenerId) {
  if (command === "ping") {
    callback({ cmpLoaded: choice !== "none", cmpStatus: choice === "none" ? "stub" : "loaded", apiVersion: "2.2" }, true);
  } else if (command === "addEventListener") {
    listeners.set(++numbers, callback);
    if (choice !== "none") say(numbers);
  } else if (command === "removeEventListener") {
    callback(listeners.delete(Number(listenerId)), true);
  } else callback(false, false);
}
Object.assign(window, { __tcfapi: tcfapi });

/** @param {string} chosen "granted", "refused", or "none" for a page without a platform. */
export function setConsent(chosen) {
  if (chosen === choice) return;
  choice = chosen;
  for (const listener of listeners.keys()) say(listener);
}
