// Keeps a page fresh: on every change of a run the server is asked for the page again, and the parts marked data-live
// take over what is new. The server alone makes HTML.
"use strict";

const states = new Map();
let waiting = null;

function remember(scope) {
  for (const item of scope.querySelectorAll("[data-state]")) states.set(item.id, item.dataset.state);
}

function replace(old, fresh) {
  for (const part of fresh.querySelectorAll("details[id]")) {
    const shown = document.getElementById(part.id);
    if (shown) part.open = shown.open;
  }
  if (old.isEqualNode(fresh)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function replaceItems(list, fresh) {
  const wanted = [...fresh.children];
  const ids = new Set(wanted.map((item) => item.id));
  for (const item of [...list.children]) if (!ids.has(item.id)) item.remove();
  wanted.forEach((item, place) => {
    const old = [...list.children].find((child) => child.id === item.id);
    if (old) replace(old, item);
    else list.insertBefore(item, list.children[place] ?? null);
  });
}

async function refresh() {
  waiting = null;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const news = fresh.getElementById(part.id);
    if (!news) continue;
    if (part.dataset.live === "items") replaceItems(part, news);
    else replace(part, news);
  }
}

function refreshSoon() {
  waiting ??= setTimeout(() => refresh().catch(() => undefined), 250);
}

function tell(run) {
  const words = run.state.replace("_", " ");
  if (states.get(run.run_id) === run.state) return;
  states.set(run.run_id, run.state);
  document.getElementById("news").textContent = `${run.task}, run ${run.run_id}: ${words}`;
}

function follow() {
  const live = document.getElementById("live");
  const word = document.getElementById("live-word");
  const show = (text, lost) => {
    live.hidden = false;
    live.classList.toggle("lost", lost);
    word.textContent = text;
  };
  const source = new EventSource(document.body.dataset.events);
  source.addEventListener("open", () => { show("Live", false); refreshSoon(); });
  source.addEventListener("error", () => show("Connecting again", true));
  source.addEventListener("run", (event) => {
    const run = JSON.parse(event.data);
    if (document.body.dataset.run && document.body.dataset.run !== run.run_id) return;
    tell(run);
    refreshSoon();
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

remember(document);
follow();
