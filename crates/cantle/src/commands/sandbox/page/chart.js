// One ping as the KMS saw it: a lane a node, a bar a request, from the ping's start to its end.

import { text } from "./tables.js";

const lanes = document.getElementById("lanes");
const legend = document.getElementById("legend");
const said = document.getElementById("chart-said");

/** Requests answered while a ping was under way. Looking at keys belongs to no ping. */
function meanwhile(ping, requests) {
  const end = ping.at_us + ping.ms * 1000;
  return requests.filter((request) =>
    request.operation !== "DescribeKey" && request.at_us >= ping.at_us && request.at_us <= end);
}

function element(tag, name, words = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = words;
  return made;
}

function lane(node, bars, count) {
  const track = element("div", "track");
  track.append(...bars);
  return [element("div", "name", node.name), track, element("div", "count", count)];
}

/** Draws a ping that is over: what it asked does not change any more. */
export function draw(ping, requests, nodes, others) {
  const asked = meanwhile(ping, requests);
  const counts = new Map();
  for (const { operation } of asked) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  const span = Math.max(ping.ms * 1000, 1);
  const bar = (request) => {
    const made = element("div", `bar ${request.operation}${request.outcome === "Success" ? "" : " refused"}`);
    made.style.left = `${((request.at_us - ping.at_us) / span) * 100}%`;
    made.style.width = `${(request.micros / span) * 100}%`;
    made.title = `${request.operation} with ${request.key ?? "a key"}, ${(request.micros / 1000).toFixed(1)} ms`;
    return made;
  };
  const parts = nodes.flatMap((node) => {
    const own = asked.filter((request) => request.node === node.name);
    return lane(node, own.map(bar), String(own.length));
  });
  const axis = element("div", "axis");
  for (const share of [0, 0.5, 1]) axis.append(element("span", "", `${Math.round(ping.ms * share)} ms`));
  lanes.replaceChildren(...parts, element("div", ""), axis, element("div", ""));

  const what = [...counts].map(([operation, count]) => `${count} ${operation}`).join(", ") || "no KMS request that is still known";
  const how = ping.state === "success" ? `in ${ping.ms} ms` : `failed after ${ping.ms} ms`;
  const more = others ? " Other pings were under way, so these are the requests of all of them." : "";
  text(said, `${ping.from} to ${ping.to.join(", ")}, ${how}: ${what}.${more}`);
  legend.hidden = counts.size === 0;
  legend.replaceChildren(...[...counts.keys()].map((operation) => element("li", operation, operation)));
}

/** Lanes without a ping. */
export function idle(nodes) {
  lanes.replaceChildren(...nodes.flatMap((node) => lane(node, [], "")));
  legend.hidden = true;
  text(said, "Ping, and every KMS request that it takes appears here, by the node whose key it is.");
}
