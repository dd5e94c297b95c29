// Copyright (c) 2026 The Even Keel Authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";

// Names of guests, hosts and rules are data: they are only ever set as textContent, never as HTML.
const Page = {
  data(id) {
    const element = document.getElementById(`data-${id}`);
    return element === null ? null : JSON.parse(element.textContent);
  },
  element(tag, kind, text) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  },
  show(element) {
    if (element !== null) element.hidden = false;
  },
};

// The theme: what the reader chose on this machine, or what the system says.
(() => {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const recall = () => {
    try { return localStorage.getItem("evenkeel-theme"); } catch { return null; }
  };
  const keep = (theme) => {
    try { localStorage.setItem("evenkeel-theme", theme); } catch { /* A page in a sandbox remembers nothing. */ }
  };
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; };
  const chosen = recall();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep(root.dataset.theme);
    label();
  });
  system.addEventListener("change", label);
  label();
  Page.show(button);
})();

// Rectangles as pictures/treemap.py lays them out.
function squarified(sizes, frame) {
  const found = sizes.map(() => [frame.x, frame.y, 0, 0]);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= 0 || frame.width <= 0 || frame.height <= 0) return found;
  const worst = (largest, smallest, area, side) =>
    Math.max((side * side * largest) / (area * area), (area * area) / (side * side * smallest));
  const scale = (frame.width * frame.height) / total;
  const order = sizes.map((size, index) => index).filter((index) => sizes[index] > 0);
  order.sort((one, other) => sizes[other] - sizes[one] || one - other);
  let { x, y, width, height } = frame;
  let start = 0;
  while (start < order.length) {
    const side = Math.min(width, height);
    const first = sizes[order[start]] * scale;
    let end = start + 1;
    let area = first;
    while (end < order.length) {
      const next = sizes[order[end]] * scale;
      if (worst(first, next, area + next, side) > worst(first, sizes[order[end - 1]] * scale, area, side)) break;
      area += next;
      end += 1;
    }
    const depth = area / side;
    let along = 0;
    for (const index of order.slice(start, end)) {
      const length = (sizes[index] * scale) / depth;
      found[index] = width >= height ? [x, y + along, depth, length] : [x + along, y, length, depth];
      along += length;
    }
    if (width >= height) { x += depth; width = Math.max(0, width - depth); }
    else { y += depth; height = Math.max(0, height - depth); }
    start = end;
  }
  return found;
}

// The charts of one metric at a time.
function chooseMetric(name) {
  for (const chart of document.querySelectorAll(".chart[data-metric]")) chart.hidden = chart.dataset.metric !== name;
  for (const button of document.querySelectorAll("#metrics button")) {
    button.setAttribute("aria-pressed", String(button.dataset.metric === name));
  }
}

function metricButtons(choose) {
  const place = document.getElementById("metrics");
  const charts = [...document.querySelectorAll(".chart[data-metric]")];
  if (place === null || charts.length === 0) return;
  for (const chart of charts) {
    const button = Page.element("button", "", chart.dataset.label);
    button.type = "button";
    button.dataset.metric = chart.dataset.metric;
    button.addEventListener("click", () => choose(button.dataset.metric));
    place.append(button);
  }
  chooseMetric(charts[0].dataset.metric);
}

// A picture: guests on their hosts, or disks on their datastores, step by step. The ids of its elements begin
// with its prefix; its words say what is where.
const WORDS = {
  "": {
    one: "guest", place: "host", stays: "Migration", idle: "It could be migrated, and need not be.",
  },
  "disks-": {
    one: "disk", place: "datastore", stays: "Move", idle: "Could be moved, and need not be.",
  },
};

class Scene {
  constructor(data, prefix = "") {
    this.data = data;
    this.prefix = prefix;
    this.words = WORDS[prefix];
    this.metric = 0;
    this.step = 0;
    this.chosen = -1;
    this.places = data.guests.map((guest) => guest[2]);
    this.on = data.hosts.map(() => new Set());
    this.places.forEach((host, guest) => { if (host >= 0) this.on[host].add(guest); });
    this.blocks = new Map();
    this.stepsOf = new Map();
    data.steps.forEach((step, index) => {
      if (!this.stepsOf.has(step[1])) this.stepsOf.set(step[1], []);
      this.stepsOf.get(step[1]).push(index);
    });
    this.grid = this.part("live");
    this.panel = this.part("details");
    this.now = this.part("now");
    this.slider = this.part("slider");
    this.jars = data.hosts.map((host) => this.jar(host));
    this.timer = null;
    this.listen();
    this.drawAll();
    this.say();
  }

  part(id) {
    return document.getElementById(this.prefix + id);
  }

  jar(host) {
    const place = Page.element("div", "host");
    const box = Page.element("div", "jar");
    const own = Page.element("div", "own");
    const band = Page.element("div", "band");
    const limit = Page.element("div", "limit");
    box.append(own, band, limit);
    const used = Page.element("span", "used");
    place.append(box, Page.element("span", "name", host.name), used);
    place.firstChild.nextSibling.title = host.name;
    if (host.note) place.append(Page.element("span", "note", host.note));
    this.grid.append(place);
    return { place, box, own, band, limit, used };
  }

  load(guest, host) {
    // A copy may take more than the disk did, where all of its size counts.
    const [, , home, , , , own, , , , elsewhere] = this.data.guests[guest];
    const loads = elsewhere === undefined || home === host ? own : elsewhere[this.data.hosts[host].thin ? 0 : 1];
    const capacity = this.data.hosts[host].capacity[this.metric];
    return loads.length && capacity ? loads[this.metric] / capacity : 0;
  }

  used(host) {
    const before = this.data.hosts[host].used[this.metric];
    if (before === null) return null;
    let sum = before;
    for (const guest of this.on[host]) if (this.data.guests[guest][2] !== host) sum += this.load(guest, host);
    this.data.guests.forEach((guest, index) => {
      if (guest[2] === host && this.places[index] !== host) sum -= this.load(index, host);
    });
    return Math.max(0, sum);
  }

  drawAll() {
    const metric = this.data.metrics[this.metric];
    this.jars.forEach((jar, index) => {
      const limit = this.data.hosts[index].limit ?? metric.limit;
      jar.band.hidden = metric.band === null;
      if (metric.band !== null) {
        jar.band.style.bottom = `${(100 * metric.band[0]) / metric.axis}%`;
        jar.band.style.height = `${(100 * (Math.min(metric.band[1], metric.axis) - metric.band[0])) / metric.axis}%`;
      }
      jar.limit.hidden = limit === null || limit > metric.axis;
      if (limit !== null) jar.limit.style.bottom = `${(100 * limit) / metric.axis}%`;
    });
    this.data.hosts.forEach((host, index) => this.draw(index));
    this.mark();
  }

  draw(host) {
    const metric = this.data.metrics[this.metric];
    const jar = this.jars[host];
    const used = this.used(host);
    const guests = [...this.on[host]].sort((one, other) => one - other);
    const own = used === null ? 0 : Math.min(this.data.hosts[host].own[this.metric], used);
    const height = (this.data.height * (used ?? 0)) / metric.axis;
    const bottom = (this.data.height * own) / metric.axis;
    jar.own.style.height = `${(100 * bottom) / this.data.height}%`;
    const boxes = squarified(
      guests.map((guest) => this.load(guest, host)),
      { x: 0, y: this.data.height - height, width: 100, height: height - bottom },
    );
    const wide = jar.box.clientWidth / 100;
    guests.forEach((guest, index) => {
      const [x, y, width, tall] = boxes[index];
      const block = this.block(guest);
      if (block.parentNode !== jar.box) jar.box.append(block);
      block.hidden = width <= 0 || tall <= 0;
      block.style.left = `${x}%`;
      block.style.top = `${(100 * y) / this.data.height}%`;
      block.style.width = `${width}%`;
      block.style.height = `${(100 * tall) / this.data.height}%`;
      block.classList.toggle("tiny", width * wide < 34 || tall * wide < 15);
    });
    jar.used.textContent = used === null ? "unknown" : `${used.toFixed(1)} %`;
    const out = metric.band !== null && used !== null && !this.data.hosts[host].apart
      && (used > metric.band[1] + 0.05 || used < metric.band[0] - 0.05);
    jar.used.classList.toggle("out", out);
    if (out) jar.used.textContent += used > metric.band[1] ? " ▲" : " ▼";
  }

  block(guest) {
    let block = this.blocks.get(guest);
    if (block === undefined) {
      const [, name, , kind, , , , rules] = this.data.guests[guest];
      block = Page.element("div", `block ${kind}`, name);
      if (rules.some((rule) => this.data.rules[rule][3])) block.classList.add("broken");
      block.dataset.guest = guest;
      this.blocks.set(guest, block);
    }
    return block;
  }

  // Go to the state after this many steps.
  go(step) {
    step = Math.max(0, Math.min(this.data.steps.length, step));
    const touched = new Set();
    const move = (guest, from, to) => {
      if (from >= 0) { this.on[from].delete(guest); touched.add(from); }
      if (to >= 0) { this.on[to].add(guest); touched.add(to); } else this.blocks.get(guest)?.remove();
      this.places[guest] = to;
    };
    while (this.step < step) {
      const [, guest, from, to] = this.data.steps[this.step];
      move(guest, from, to);
      this.step += 1;
    }
    while (this.step > step) {
      this.step -= 1;
      const [, guest, from, to] = this.data.steps[this.step];
      move(guest, to, from);
    }
    for (const host of touched) this.draw(host);
    this.mark();
    this.say();
    if (this.chosen >= 0) this.choose(this.chosen);
  }

  // The last step: its guest, its hosts, and an arrow between them.
  mark() {
    for (const block of this.grid.querySelectorAll(".moving")) block.classList.remove("moving");
    for (const place of this.grid.querySelectorAll(".goal")) place.classList.remove("goal");
    this.grid.querySelector(".arrow")?.remove();
    if (this.step === 0) return;
    const [, guest, from, to] = this.data.steps[this.step - 1];
    this.block(guest).classList.add("moving");
    this.jars[to].place.classList.add("goal");
    if (from >= 0) this.grid.append(this.arrow(this.jars[from].box, this.block(guest)));
  }

  arrow(from, to) {
    const name = "http://www.w3.org/2000/svg";
    const make = (tag, attributes, parent) => {
      const element = document.createElementNS(name, tag);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      parent?.append(element);
      return element;
    };
    const svg = make("svg", { class: "arrow", "aria-hidden": "true", focusable: "false" });
    const marker = make("marker", { id: `${this.prefix}head`, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 5, markerHeight: 5, orient: "auto" }, svg);
    make("path", { d: "M0 0 8 4 0 8z" }, marker);
    const origin = this.grid.getBoundingClientRect();
    const middle = (box, part) => [box.left - origin.left + box.width / 2, box.top - origin.top + box.height * part];
    const jar = to.parentNode.getBoundingClientRect();
    const share = (text) => parseFloat(text) / 100;
    const end = [
      jar.left - origin.left + jar.width * (share(to.style.left) + share(to.style.width) / 2),
      jar.top - origin.top + jar.height * (share(to.style.top) + share(to.style.height) / 2),
    ];
    const start = middle(from.getBoundingClientRect(), 0.45);
    const lift = Math.min(60, 20 + Math.hypot(end[0] - start[0], end[1] - start[1]) / 8);
    const bend = [(start[0] + end[0]) / 2, Math.min(start[1], end[1]) - lift];
    const path = `M${start.map(Math.round)}Q${bend.map(Math.round)} ${end.map(Math.round)}`;
    make("path", { d: path, class: "edge" }, svg);
    make("path", { d: path, "marker-end": `url(#${this.prefix}head)` }, svg);
    return svg;
  }

  // How far apart the hosts are, or how many datastores are too full.
  summary() {
    const metric = this.data.metrics[this.metric];
    const used = this.data.hosts.map((_host, index) => this.used(index));
    if (this.prefix) {
      const limits = this.data.hosts.map((host) => host.limit);
      const full = used.filter((value, index) => value !== null && limits[index] !== null && value > limits[index] + 1e-3).length;
      return limits.every((limit) => limit === null) ? "" : `${full} of ${used.length} datastores above their limit.`;
    }
    const values = used.filter((value, index) => value !== null && !this.data.hosts[index].apart);
    if (!values.length) return "";
    const spread = Math.max(...values) - Math.min(...values);
    return `${metric.label}: ${spread.toFixed(1)} points between the fullest and the emptiest host${metric.allowed === null ? "" : `, ${metric.allowed} allowed`}.`;
  }

  // The line above the picture.
  say() {
    if (this.now === null) return;
    const total = this.data.steps.length;
    this.slider.max = total;
    this.slider.value = this.step;
    const tail = this.summary();
    this.now.replaceChildren();
    if (this.step === 0) {
      this.now.append(Page.element("b", "", this.data.changes === "placed" ? "Before anything is created." : "Before."), ` ${total} steps follow. `, Page.element("span", "small", tail));
      this.slider.setAttribute("aria-valuetext", "before all steps");
      return;
    }
    const [, guest, from, to, wave, , why] = this.data.steps[this.step - 1];
    const hosts = this.data.hosts;
    const way = from < 0 ? hosts[to].name : `${hosts[from].name} → ${hosts[to].name}`;
    const where = this.data.changes === "planned" ? `, wave ${wave}` : "";
    this.now.append(
      Page.element("b", "", `Step ${this.step} of ${total}${where}: ${this.data.guests[guest][1]}, ${way}.`),
      ` ${why} `, Page.element("span", "small", tail),
    );
    this.slider.setAttribute("aria-valuetext", `step ${this.step} of ${total}: ${this.data.guests[guest][1]}, ${way}`);
  }

  choose(guest) {
    if (this.chosen >= 0) this.blocks.get(this.chosen)?.classList.remove("chosen");
    this.chosen = guest;
    if (guest < 0) return;
    this.block(guest).classList.add("chosen");
    this.describe(guest);
  }

  describe(guest) {
    const [id, name, home, , cores, memory, , rules, reason, state] = this.data.guests[guest];
    const host = this.places[guest];
    const list = Page.element("dl");
    const entry = (term, ...texts) => {
      list.append(Page.element("dt", "", term), ...texts.map((text) => Page.element("dd", "", text)));
    };
    if (host >= 0) entry("Now on", this.data.hosts[host].name + (state ? ` (${state})` : ""));
    const size = [cores === null ? "" : `${cores} vCPUs`, memory === null ? "" : `${memory} GiB`].filter(Boolean);
    if (size.length) entry("Size", size.join(", "));
    const place = host >= 0 ? host : home;
    if (place >= 0 && this.data.guests[guest][6].length) {
      entry(`Share of its ${this.words.place}`, this.data.metrics.map((metric, index) => {
        const capacity = this.data.hosts[place].capacity[index];
        return `${metric.label} ${capacity ? (this.data.guests[guest][6][index] / capacity).toFixed(1) : "?"} %`;
      }).join(", "));
    }
    if (rules.length) {
      entry("Rules", ...rules.map((rule) => {
        const [title, says, strict, broken] = this.data.rules[rule];
        return `${title}: ${says}${strict ? "" : " (soft)"}${broken ? ", violated before" : ""}`;
      }));
    }
    for (const index of this.stepsOf.get(guest) ?? []) {
      const [, , from, to, , , why] = this.data.steps[index];
      entry(`Step ${index + 1}`, `${from < 0 ? "new" : this.data.hosts[from].name} → ${this.data.hosts[to].name}`, why);
    }
    if (reason >= 0) entry("Why it stays", this.data.reasons[reason]);
    else if (!this.stepsOf.has(guest)) entry(this.words.stays, this.words.idle);
    this.panel.replaceChildren(Page.element("h3", "", name));
    if (id !== name) this.panel.append(Page.element("span", "small", `id ${id}`));
    this.panel.append(list);
  }

  // Arrow keys: up and down among the guests of a host, left and right among the hosts.
  key(event) {
    const order = (host) => [...this.on[host]].filter((guest) => !this.block(guest).hidden).sort(
      (one, other) => this.load(other, host) - this.load(one, host) || one - other,
    );
    const host = this.chosen >= 0 && this.places[this.chosen] >= 0 ? this.places[this.chosen] : -1;
    const neighbour = (from, by) => {
      for (let next = from + by; next >= 0 && next < this.on.length; next += by) if (order(next).length) return next;
      return -1;
    };
    let next = -1;
    if (event.key === "Escape") { this.choose(-1); return; }
    if (host < 0 && event.key.startsWith("Arrow")) {
      const first = neighbour(-1, 1);
      if (first >= 0) next = order(first)[0];
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const guests = order(host);
      next = guests[guests.indexOf(this.chosen) + (event.key === "ArrowDown" ? 1 : -1)] ?? -1;
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const other = neighbour(host, event.key === "ArrowRight" ? 1 : -1);
      if (other >= 0) next = order(other)[Math.min(order(host).indexOf(this.chosen), order(other).length - 1)];
    } else if (event.key === "Home" || event.key === "End") {
      const end = event.key === "Home" ? neighbour(-1, 1) : neighbour(this.on.length, -1);
      if (end >= 0) next = order(end)[0];
    } else return;
    event.preventDefault();
    if (next >= 0) this.choose(next);
  }

  find(text) {
    const wanted = text.trim().toLowerCase();
    let first = -1;
    this.data.guests.forEach(([id, name], guest) => {
      const fits = !wanted || name.toLowerCase().includes(wanted) || id.toLowerCase() === wanted;
      this.blocks.get(guest)?.classList.toggle("dim", !fits);
      if (fits && first < 0) first = guest;
    });
    if (wanted && first >= 0) this.choose(first);
    if (wanted && first < 0) this.panel.replaceChildren(Page.element("p", "hint", `No ${this.words.one} has this name or id.`));
  }

  play() {
    const button = this.part("play");
    if (this.timer !== null) {
      clearInterval(this.timer);
      this.timer = null;
      button.textContent = "Play";
      return;
    }
    if (this.step === this.data.steps.length) this.go(0);
    button.textContent = "Pause";
    const pause = Math.max(120, Math.min(1100, 30000 / this.data.steps.length));
    this.timer = setInterval(() => {
      this.go(this.step + 1);
      if (this.step === this.data.steps.length) this.play();
    }, pause);
  }

  listen() {
    const guestAt = (target) => {
      const block = target instanceof Element ? target.closest(".block") : null;
      return block === null ? -1 : Number(block.dataset.guest);
    };
    for (const kind of ["pointerover", "click"]) {
      this.grid.addEventListener(kind, (event) => {
        const guest = guestAt(event.target);
        if (guest >= 0) this.choose(guest);
      });
    }
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.part("find").addEventListener("input", (event) => this.find(event.target.value));
    let waits = 0;
    addEventListener("resize", () => {
      cancelAnimationFrame(waits);
      waits = requestAnimationFrame(() => this.drawAll());
    });
    if (this.slider === null) return;
    const pressed = (id, action) => this.part(id).addEventListener("click", action);
    pressed("first", () => this.go(0));
    pressed("back", () => this.go(this.step - 1));
    pressed("play", () => this.play());
    pressed("next", () => this.go(this.step + 1));
    pressed("last", () => this.go(this.data.steps.length));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
  }
}

(() => {
  for (const element of document.querySelectorAll(".scripted")) Page.show(element);
  const data = Page.data("picture");
  let scene = null;
  metricButtons((name) => {
    chooseMetric(name);
    if (scene === null) return;
    scene.metric = data.metrics.findIndex((metric) => metric.name === name);
    scene.drawAll();
    scene.say();
  });
  const disks = Page.data("datastores");
  if (disks !== null) new Scene(disks, "disks-");
  if (data === null) return;
  for (const figure of document.querySelectorAll("figure.static")) figure.classList.add("done");
  scene = new Scene(data);
})();
