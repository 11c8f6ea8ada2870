"use strict";
// Asks the host for its state every second and draws it. Reads alone.
const EVERY_MS = 1000, PATIENCE_MS = 5000, LEVELS = 10;
const byId = (name) => document.getElementById(name);
const chosen = { symbol: decodeURIComponent(location.hash.slice(1)), like: "" };
let state = null, answeredAt = 0, points = [], pointsId = "", drawn = "";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const chart = LightweightCharts.createChart(byId("chart"), {
  autoSize: true,
  layout: { background: { color: "transparent" }, textColor: css("--faint"), attributionLogo: true },
  grid: { vertLines: { color: css("--line") }, horzLines: { color: css("--line") } },
  timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 3 },
  rightPriceScale: { borderVisible: false },
});
const series = (color, width, title) => chart.addSeries(LightweightCharts.LineSeries, {
  color: css(color), lineWidth: width, title, priceLineVisible: false, crosshairMarkerVisible: false,
});
const lines = [series("--price", 2, ""), series("--sma", 1, "SMA9"), series("--vwap", 1, "VWAP")];
const VALUE = [1, 3, 4];

// Moments of the host in the market's own time: the chart shows seconds as if they were UTC.
const local = (ms) => Math.floor(ms / 1000) + state.offset_s;
const clock = (ms) => new Date(ms + state.offset_s * 1000).toISOString().slice(11, 19);
const hostNow = () => state.now + (Date.now() - answeredAt);
const lasting = (ms) => ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : ms < 90_000 ? `${Math.round(ms / 1000)} s`
  : ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
const text = (name, said) => { const node = byId(name); if (node.textContent !== said) node.textContent = said; };

async function ask() {
  const query = new URLSearchParams({ ...chosen, have: pointsId });
  const answer = await fetch(`state?${query}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`the host says ${answer.status}`);
  state = await answer.json();
  answeredAt = Date.now();
  const shown = state.shown;
  if (shown.points) { points = shown.points; pointsId = shown.points_id; }
  draw(shown);
}

function draw(shown) {
  document.title = `${shown.name || state.host} ${state.market.toUpperCase()}`;
  text("title", `${state.host}, ${state.market.toUpperCase()}, ${state.date}`);
  text("symbol", shown.name || "no symbol yet");
  text("price", shown.newest ? shown.newest[1].toFixed(2) : "no price yet");
  text("source", `· bars from ${shown.source}`);
  drawChart(shown);
  drawStrip(shown);
  drawLadder(shown);
  drawList();
  drawDues();
}

function drawChart(shown) {
  const all = shown.newest ? [...points, shown.newest] : points;
  const key = `${pointsId} ${JSON.stringify(shown.newest)}`;
  if (key === drawn) return;
  const isNew = drawn.split(" ")[0] !== pointsId;
  drawn = key;
  lines.forEach((line, place) => {
    const value = (point) => ({ time: local(point[0]), value: point[VALUE[place]] });
    const known = all.filter((point) => point[VALUE[place]] !== null);
    if (isNew) line.setData(known.map(value));
    else if (known.length) line.update(value(known[known.length - 1]));
  });
  if (isNew) chart.timeScale().fitContent();
}

function drawStrip(shown) {
  const canvas = byId("strip"), scale = devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.round(26 * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const opens = shown.opens, closes = shown.closes, now = hostNow();
  if (opens === null) { text("gaps", shown.name ? "The market is closed today." : ""); return; }
  const at = (ms) => width * (Math.min(Math.max(ms, opens), closes) - opens) / (closes - opens);
  const bar = (from, to, color, top, height) => {
    pen.fillStyle = color;
    pen.fillRect(at(from), top, Math.max(1, at(to) - at(from)), height);
  };
  bar(opens, closes, css("--line"), 5, 16);
  // What the journal has not told yet is not known; what a recorder that is gone cannot have seen is lost.
  const read = state.reading ?? now, alive = state.recorder.problem ? Math.max(opens, state.recorder.written) : now;
  const known = Math.min(now, closes, read, alive);
  if (known > opens) bar(opens, known, css("--good"), 5, 16);
  if (state.recorder.problem && now > alive && alive < closes) bar(alive, now, css("--bad"), 2, 22);
  const gaps = shown.gaps.filter((gap) => gap[0] < closes && (gap[1] ?? now) > opens);
  for (const [from, to, , cause] of gaps) {
    const weak = cause === "no_data" || cause === "no_answer";
    bar(from, to ?? now, css(weak ? "--warn" : "--bad"), 2, 22);
  }
  const open = gaps.filter((gap) => gap[1] === null).length;
  const last = gaps[gaps.length - 1];
  text("gaps", last ? `${gaps.length} gap${gaps.length === 1 ? "" : "s"} today${open ? `, ${open} open` : ""}; the last: ${last[2]} ${last[3]}, `
    + `${clock(last[0])} to ${last[1] === null ? "now" : clock(last[1])} ${state.zone}` : `No gap today. ${clock(opens)} `
    + `to ${clock(closes)} ${state.zone}.`);
}

function drawLadder(shown) {
  const ladder = shown.ladders[0];
  byId("ladder-part").hidden = !ladder;
  if (!ladder) return;
  const bids = ladder.bids.slice(0, LEVELS), asks = ladder.asks.slice(0, LEVELS);
  const most = Math.max(1, ...bids.map((level) => level[1]), ...asks.map((level) => level[1]));
  const rows = [];
  const shade = (quantity, color, side) =>
    `linear-gradient(to ${side}, ${css(color)} ${Math.round(100 * quantity / most)}%, transparent 0)`;
  for (const [price, quantity, orders] of [...asks].reverse())
    rows.push([["", "", price.toFixed(2), quantity, orders], [, , , shade(quantity, "--ask", "right")]]);
  const best = bids[0], ask = asks[0];
  rows.push([["", "", best && ask ? (ask[0] - best[0]).toFixed(2) : "", "", ""], []]);
  for (const [price, quantity, orders] of bids)
    rows.push([[orders, quantity, price.toFixed(2), "", ""], [, shade(quantity, "--bid", "left")]]);
  fill(byId("ladder").tBodies[0], rows.map(([cells, shades]) => cells.map((cell, place) =>
    ({ said: String(cell), kind: place === 2 ? "mid" : "", shade: shades[place] || "" }))));
  text("ladder-state", `${ladder.feed}, ${ladder.valid ? "valid" : "not valid until the next snapshot"}, `
    + `${Math.max(ladder.bids.length, ladder.asks.length)} levels, ${lasting(Math.max(0, hostNow() - ladder.at))} old`);
}

function drawList() {
  const now = hostNow(), body = byId("list").tBodies[0];
  fill(body, state.symbols.map((each) => {
    const age = each.last === null ? null : Math.max(0, now - each.last);
    return [
      { said: each.name, button: true },
      { said: age === null ? "-" : lasting(age), kind: age === null || !state.recorder.open ? "" : age > each.patience ? "warn" : "good" },
      { said: each.rate === null ? "-" : each.rate.toFixed(1) },
    ];
  }));
  [...body.rows].forEach((row) => row.classList.toggle("shown", row.cells[0].textContent === state.shown.name));
  text("more", state.count > state.symbols.length ? `${state.symbols.length} of ${state.count}: filter them` : "");
}

const KIND = { met: "good", missing: "bad", unknown: "bad", late: "warn", partial: "warn" };
function drawDues() {
  const { entries, problem } = state.dues;
  const count = (kind) => entries.filter((entry) => entry.state === kind).length;
  const states = [...new Set(entries.map((entry) => entry.state))];
  text("dues-state", problem || (entries.length ? `${entries.length} due: ${states.map((each) =>
    `${count(each)} ${each === "partial" ? "in part" : each}`).join(", ")}` : "Nothing is due today."));
  const order = ["missing", "unknown", "late", "partial", "waiting", "met", "excused"];
  const last = new Map(entries.map((entry) => [`${entry.kind} ${entry.name} ${entry.state}`, entry]));
  fill(byId("dues").tBodies[0], [...last.values()].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
    .map((entry) => [
      { said: entry.state === "partial" ? "in part" : entry.state, kind: KIND[entry.state] || "" },
      { said: `${entry.kind} ${entry.name}` },
      { said: `due ${clock(entry.due_ns / 1e6)}${entry.cause ? `: ${entry.cause}` : ""}` },
    ]));
}

// Rows of cells, changed in place: what is the same is not touched, so that a click and a look find it where it was.
function fill(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, number) => {
    const row = body.rows[number] || body.insertRow();
    while (row.cells.length > cells.length) row.deleteCell(-1);
    cells.forEach((cell, place) => {
      const node = row.cells[place] || row.insertCell();
      const kind = cell.kind || "";
      if (node.className !== kind) node.className = kind;
      if (node.style.background !== (cell.shade || "")) node.style.background = cell.shade || "";
      const target = cell.button ? node.firstElementChild || node.appendChild(document.createElement("button")) : node;
      if (target.textContent !== cell.said) target.textContent = cell.said;
    });
  });
}

// What passes by itself: ages, and how long the host has not answered.
function tick() {
  const silent = state ? Date.now() - answeredAt : 0;
  const said = [];
  if (silent > 3 * EVERY_MS) said.push(`The host has not answered for ${lasting(silent)}. What is below is old.`);
  if (state) {
    if (state.recorder.problem) said.push(`${state.recorder.problem[0].toUpperCase()}${state.recorder.problem.slice(1)}.`);
    if (state.problem) said.push(state.problem);
    if (state.reading !== null) said.push(`Reads today's journal, which it has until ${clock(state.reading)}.`);
    const now = hostNow(), last = state.shown.last;
    const age = last === null ? null : Math.max(0, now - last);
    byId("age").dataset.ms = age === null ? "" : String(Math.round(age));
    text("age", age === null ? "nothing came yet" : `${lasting(age)} old`);
    byId("age").className = `age ${age === null || !state.recorder.open ? "" : age > state.shown.patience ? "bad" : "good"}`;
    text("state", `${clock(now)} ${state.zone} · ${state.recorder.open ? "in session" : "out of session"} · token `
      + `${state.recorder.token || "unknown"} · ${state.recorder.open_gaps} gaps open · ${state.recorder.release || ""}`);
  }
  byId("trouble").hidden = said.length === 0;
  text("trouble", said.join(" "));
}

async function run() {
  for (;;) {
    const began = Date.now();
    try { await ask(); } catch (error) { if (!state) text("state", `no answer yet (${error.message})`); }
    tick();
    await new Promise((done) => setTimeout(done, Math.max(100, EVERY_MS - (Date.now() - began))));
  }
}

function choose(symbol) {
  if (symbol === chosen.symbol) return;
  chosen.symbol = symbol;
  location.hash = encodeURIComponent(symbol);
  ask().then(tick, () => {});
}
byId("list").addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (row) choose(row.cells[0].textContent);
});
byId("like").addEventListener("input", (event) => { chosen.like = event.target.value; });
addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1))));
addEventListener("resize", () => { chart.timeScale().fitContent(); if (state) drawStrip(state.shown); });
setInterval(tick, 250);
run();
