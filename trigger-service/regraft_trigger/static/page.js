// Keeps a page fresh: on every change of a run the server is asked for the page again, and the parts marked data-live
// become like what is new. The server alone makes HTML.
"use strict";

const AGAIN = 10_000; // milliseconds after which figures are asked for again although no run has changed
const SOON = 150;
const SLIDE = 250;
const states = new Map();
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let wanted = false;
let refreshing = false;

// Make an element like a fresh one, and leave alone what is the same: what is open stays open, what has the focus keeps
// it, and what changes its width does so smoothly.
function become(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.nodeType !== fresh.nodeType) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.dataset.still && old.dataset.still === fresh.dataset.still) return;
  if (old.nodeName === "DETAILS" && old.className === fresh.className) fresh.open = old.open;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  becomeChildren(old, fresh);
}

function becomeChildren(old, fresh) {
  const twins = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  const wanted = new Set([...fresh.children].map((child) => child.id));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    while (place?.id && !wanted.has(place.id)) place = dropped(place);
    const twin = child.id ? twins.get(child.id) : place && !place.id ? place : null;
    if (!twin) {
      old.insertBefore(child, place);
      continue;
    }
    if (twin === place) place = place.nextSibling;
    else old.insertBefore(twin, place);
    become(twin, child);
  }
  while (place) place = dropped(place);
}

function dropped(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// Wait until nothing slides any more: a slide that begins within another would begin from the wrong place.
async function atRest() {
  const slides = [...document.querySelectorAll("[data-slide]")].flatMap((item) => item.getAnimations());
  if (!slides.length) return;
  await Promise.allSettled(slides.map((slide) => slide.finished));
  // Until the next frame is drawn, browsers still count with the place in the slide.
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}

// What has moved slides to its new place from the old one: nothing jumps under the reader's eyes.
function sliding(change) {
  const before = new Map();
  for (const item of document.querySelectorAll("[data-slide]")) before.set(item, item.getBoundingClientRect().top);
  change();
  if (calm.matches) return;
  for (const [item, top] of before) {
    const way = item.isConnected ? top - item.getBoundingClientRect().top : 0;
    if (way) item.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: SLIDE, easing: "ease-out" });
  }
}

async function pageOf(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { Accept: "text/html" } });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function refresh() {
  await atRest();
  const fresh = await pageOf(location.href);
  sliding(() => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const news = fresh.getElementById(part.id);
      if (news) become(part, news);
    }
  });
}

// One refresh at a time, a moment after what asked for it, and another one for what has happened since it began.
async function refreshSoon() {
  wanted = true;
  if (refreshing) return;
  refreshing = true;
  while (wanted) {
    await new Promise((later) => setTimeout(later, SOON));
    wanted = false;
    await refresh().catch(() => undefined);
  }
  refreshing = false;
}

function tell(run) {
  if (states.get(run.run_id) === run.state) return;
  states.set(run.run_id, run.state);
  document.getElementById("news").textContent = `${run.task}, run ${run.run_id}: ${run.state.replace("_", " ")}`;
}

function follow() {
  const live = document.getElementById("live");
  const word = document.getElementById("live-word");
  const show = (text, state) => {
    if (word.textContent !== text) word.textContent = text;
    live.className = `live ${state}`;
  };
  const source = new EventSource(document.body.dataset.events);
  let was = "";
  source.addEventListener("open", () => {
    show("Live", "on");
    refreshSoon();
  });
  source.addEventListener("error", () => show("Connecting again", "lost"));
  source.addEventListener("run", (event) => {
    const run = JSON.parse(event.data);
    if (document.body.dataset.run && document.body.dataset.run !== run.run_id) return;
    tell(run);
    if (was !== event.data) refreshSoon();
    was = event.data;
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  setInterval(() => { if (!document.hidden) refreshSoon(); }, AGAIN);
}

// The try-it box asks without leaving the page.
async function predict(event) {
  const form = event.target.closest("form[data-answer]");
  if (!form) return;
  event.preventDefault();
  const place = document.getElementById(form.dataset.answer);
  form.setAttribute("aria-busy", "true");
  try {
    const fresh = await pageOf(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    place.replaceChildren(...fresh.getElementById(place.id).childNodes);
  } catch {
    place.textContent = "The trigger service cannot be reached now.";
  } finally {
    form.removeAttribute("aria-busy");
  }
}

for (const item of document.querySelectorAll("[data-state]")) states.set(item.id, item.dataset.state);
addEventListener("submit", predict);
follow();
