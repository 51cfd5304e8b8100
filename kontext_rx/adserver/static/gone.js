// @ts-check
/** An ad that cannot be shown, because it expired or never was: tells the host, and shows nothing. */
const code = new URLSearchParams(location.search).get("code") ?? undefined;
const component = document.body.dataset.component;
const message = document.body.dataset.problem;

if (window.parent !== window) {
  window.parent.postMessage(
    component
      ? { type: "error-component-iframe", data: { code, component, message, errorType: "bid_not_shown" } }
      : { type: "error-iframe", data: { code } },
    "*",
  );
}
