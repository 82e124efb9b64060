// The page: what the server tells goes into one store, and the store onto the page, once a frame.

import { draw, idle } from "./chart.js";
import { child, detail, identifier, look, state, table, text } from "./tables.js";

// What is shown, and what is kept: the server keeps no more.
const ROWS = 150;
const KEPT = 300;
const CHECKS = 50;
const PINGS = 50;
const $ = (id) => document.getElementById(id);

/** What is known. */
const store = { nodes: [], keys: [], connections: [], totals: [], usd: 0, requests: [], pings: [], told: null };
let connected = false;
let paused = false;
let drawn = "";

// How things are written

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const at = (us) => time.format(us / 1000);
const atMs = (us) => `${at(us)}.${String(Math.floor(us / 1000) % 1000).padStart(3, "0")}`;
const took = (micros) => `${(micros / 1000).toFixed(1)} ms`;
const middle = (whole) => (whole.length > 20 ? `${whole.slice(0, 10)}…${whole.slice(-6)}` : whole);
const identity = (uid) => { const [name, namespace] = uid.split("::"); return namespace ? `${name}::${middle(namespace)}` : uid; };

// Tables

const showNodes = table("nodes", [
  (cell, node) => {
    const name = child(cell, "span", "name");
    text(name, node.name);
    if (node.kind !== node.name && cell.childElementCount < 2) {
      const kind = document.createElement("span");
      kind.className = "muted";
      cell.append(" ", kind);
    }
    if (cell.lastElementChild !== name) text(cell.lastElementChild, node.kind);
  },
  (cell, node) => {
    const good = node.healthy && node.state === "ready";
    const words = good ? "healthy" : node.state === "ready" ? "not healthy" : node.state;
    const box = child(cell, "div");
    state(box, words, good ? "good" : node.troubles.length > 0 ? "bad" : "");
    detail(box, node.troubles.join("; "));
  },
  (cell, node) => identifier(cell, node.admin_api, node.admin_api),
  (cell, node) => identifier(cell, node.public_api, node.public_api),
  (cell, node) => identifier(cell, node.uid, node.uid && identity(node.uid)),
], (node) => node.name);

const showConnections = table("connections", [
  (cell, connection) => text(child(cell, "span", "name"), connection.participant),
  (cell, connection) => identifier(cell, connection.domain_id, connection.domain),
  (cell, connection) =>
    state(cell, connection.healthy ? "connected" : "not healthy", connection.healthy ? "good" : "bad"),
], (connection) => `${connection.participant} ${connection.domain}`);

const showKeys = table("keys", [
  (cell, key) => text(child(cell, "span", "name"), key.node),
  (cell, key) => { const span = child(cell, "span"); text(span, key.purpose); span.title = key.name; },
  (cell, key) => identifier(cell, key.fingerprint, middle(key.fingerprint)),
  (cell, key) => identifier(cell, key.kms_key_arn, middle(key.kms_key_id.replace(/^.*key\//, ""))),
  (cell, key) => text(child(cell, "span", "code"), key.key_spec),
  (cell, key) => state(cell, key.state, key.state === "Enabled" ? "good" : "bad"),
  (cell, key) => text(cell, String(key.uses)),
  (cell, key) => text(cell, key.last_used_us ? `${key.last_operation}, ${at(key.last_used_us)}` : "not yet"),
], (key) => key.fingerprint + key.node);

const showPings = table("pings", [
  (cell, ping) => text(cell, at(ping.at_us)),
  (cell, ping) => text(cell, `${ping.from} → ${ping.to.join(", ")}`),
  (cell, ping) => {
    if (ping.state === "running") state(cell, "under way", "");
    else if (ping.state === "success") state(cell, `${ping.ms} ms`, "good");
    else {
      const box = child(cell, "div");
      state(box, `failed after ${ping.ms} ms`, "bad");
      detail(box, ping.detail);
    }
  },
], (ping) => ping.id);

const showRequests = table("requests", [
  (cell, request) => text(cell, atMs(request.at_us)),
  (cell, request) => text(child(cell, "span", "name"), request.operation),
  (cell, request) => text(cell, request.node ?? "–"),
  (cell, request) => text(cell, request.key ?? request.key_arn ?? "–"),
  (cell, request) => {
    const good = request.outcome === "Success";
    text(child(cell, "span", good ? "" : "failed"), good ? "ok" : request.outcome);
  },
  (cell, request) => text(cell, took(request.micros)),
], (request) => request.serial);

const showTotals = table("totals", [
  (cell, total) => text(cell, total.failed > 0 ? `${total.operation} (${total.failed} refused)` : total.operation),
  (cell, total) => text(cell, String(total.count)),
  (cell, total) => text(cell, total.usd.toFixed(6)),
], (total) => total.operation);

// Onto the page

let due = false;
function show() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; render(); });
}

function render() {
  const { told } = store;
  if (told) {
    const where = `AWS KMS on loopback at ${told.kms_endpoint}, account ${told.account}, ${told.region}`;
    text($("about"), `${store.nodes.length} nodes, ${store.keys.length} keys in ${where}. Cantle ${told.version}, up since ${at(told.started_us)}.`);
  }
  showNodes(store.nodes);
  showConnections(store.connections);
  showKeys(store.keys);
  showPings([...store.pings].reverse());
  showTotals(store.totals);
  text($("all-count"), String(store.totals.reduce((sum, total) => sum + total.count, 0)));
  text($("all-usd"), store.usd.toFixed(6));
  renderRequests();
  renderButtons();
  renderChart();
}

function renderRequests() {
  const node = $("filter").value;
  const checks = $("checks").checked;
  const fits = (request) =>
    (node === "" || request.node === node) && (checks || request.operation !== "DescribeKey");
  if (!paused) {
    store.shown = store.requests.filter(fits).slice(-ROWS).reverse();
    text($("held"), "");
  } else {
    const last = store.pausedAt;
    const held = store.requests.filter((request) => request.serial > last && fits(request)).length;
    text($("held"), held > 0 ? `${held} more since` : "");
  }
  showRequests(store.shown, store.fresh);
  store.fresh = true;
}

function renderButtons() {
  const names = store.nodes.filter((node) => node.kind === "participant").map((node) => node.name);
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to]));
  const box = $("ping-buttons");
  if (box.childElementCount !== pairs.length) {
    box.replaceChildren(...pairs.map(([from, to]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "action";
      button.textContent = `${from} → ${to}`;
      button.setAttribute("aria-label", `Ping ${from} → ${to}`);
      button.dataset.from = from;
      button.addEventListener("click", () => ping(button, from, to));
      return button;
    }));
  }
  for (const button of box.children) {
    button.disabled = !connected;
    // Not disabled while it pings, which would take the keyboard's focus from it.
    button.setAttribute("aria-disabled", String(button.dataset.busy === "yes"));
  }
  const filter = $("filter");
  if (filter.options.length !== store.nodes.length + 1) {
    const chosen = filter.value;
    filter.replaceChildren(new Option("all", ""), ...store.nodes.map((node) => new Option(node.name, node.name)));
    filter.value = chosen;
  }
}

function renderChart() {
  const last = store.pings.findLast((ping) => ping.state !== "running");
  const names = store.nodes.map((node) => node.name).join(" ");
  const wanted = `${last?.id} ${names}`;
  if (drawn === wanted) return;
  drawn = wanted;
  if (!last) return idle(store.nodes);
  const end = last.at_us + last.ms * 1000;
  const others = store.pings.some((ping) => ping.id !== last.id && ping.at_us < end
    && (ping.state === "running" || ping.at_us + ping.ms * 1000 > last.at_us));
  draw(last, store.requests, store.nodes, others);
}

// What the user does

async function ping(button, from, to) {
  if (button.dataset.busy === "yes") return;
  const said = $("ping-said");
  button.dataset.busy = "yes";
  look(said, "");
  text(said, `${from} pings ${to} …`);
  show();
  try {
    const answer = await fetch("/ping", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ from, to }),
    });
    const result = await answer.json();
    const good = answer.ok && result.state === "success";
    look(said, good ? "good" : "bad");
    text(said, good ? `${to} answered ${from} in ${result.ms} ms.` : result.error ?? "The ping failed.");
  } catch {
    look(said, "bad");
    text(said, "The sandbox did not answer. Is it still running?");
  }
  button.dataset.busy = "no";
  show();
}

$("filter").addEventListener("change", resume);
$("checks").addEventListener("change", resume);
$("pause").addEventListener("click", () => {
  paused = !paused;
  store.pausedAt = store.requests.at(-1)?.serial ?? 0;
  $("pause").setAttribute("aria-pressed", String(paused));
  text($("pause"), paused ? "Resume" : "Pause");
  store.fresh = false;
  show();
});

/** Another choice of rows is no news, and ends a pause. */
function resume() {
  if (paused) $("pause").click();
  store.fresh = false;
  show();
}

let toastEnds;
document.addEventListener("click", async (event) => {
  const whole = event.target.closest?.("button.copy")?.dataset.copy;
  if (!whole) return;
  let said = `Copied ${whole}`;
  try { await navigator.clipboard.writeText(whole); } catch { said = whole; }
  text($("toast"), said);
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => text($("toast"), ""), 2500);
});

// What the server tells

function link(words, mood, banner = "") {
  connected = mood === "good";
  text($("link"), words);
  $("link").dataset.mood = mood;
  text($("banner"), banner);
  $("banner").hidden = banner === "";
  document.querySelector("main").classList.toggle("stale", !connected);
  show();
}

/** Puts a thing where it belongs: in place of its older self, or at the end. */
function put(list, thing, same) {
  const known = list.findLastIndex(same);
  if (known >= 0) list[known] = thing;
  else list.push(thing);
}

/** Forgets the oldest; looks at keys are many, and must not push out the rest. */
function forget() {
  const oldest = (most, fits) => {
    const all = store.requests.filter(fits);
    return new Set(all.slice(0, Math.max(0, all.length - most)));
  };
  const isCheck = (request) => request.operation === "DescribeKey";
  const gone = oldest(CHECKS, isCheck);
  for (const request of oldest(KEPT, (request) => !isCheck(request))) gone.add(request);
  if (gone.size > 0) store.requests = store.requests.filter((request) => !gone.has(request));
  store.pings.splice(0, store.pings.length - PINGS);
}

let lost = 0;
function open() {
  const source = new EventSource("/events");
  const on = (name, told) => source.addEventListener(name, (event) => { told(JSON.parse(event.data)); show(); });
  on("snapshot", (told) => {
    Object.assign(store, told, { told, fresh: false });
    drawn = "";
    lost = 0;
    link("live", "good");
  });
  on("state", (told) => Object.assign(store, told));
  on("request", (request) => { put(store.requests, request, (known) => known.serial === request.serial); forget(); });
  on("ping", (ping) => { put(store.pings, ping, (known) => known.id === ping.id); forget(); });
  on("stopped", () => {
    source.close();
    link("stopped", "bad", "The sandbox has stopped, and its keys are gone. Start another with: cantle sandbox");
  });
  source.addEventListener("error", () => {
    lost ||= Date.now();
    link("not connected", "bad", `No connection to the sandbox since ${at(lost * 1000)}; trying again. What is shown is what was known then.`);
    // The browser tries again by itself, unless the server refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000);
  });
}

open();
