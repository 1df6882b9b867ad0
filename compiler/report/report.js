"use strict";
// Draws the profile in the page's JSON block. Text from it reaches the page as text nodes and
// attribute values only, never as markup.
(() => {
  const { profile, drawing } = JSON.parse(document.getElementById("contents").textContent);
  const components = profile.components;
  const byName = new Map(components.map((c, i) => [c.name, i]));
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const total = components.reduce((sum, c) => sum + c.seconds, 0);
  const longest = Math.max(...components.map((c) => c.seconds), 1e-30);

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  function draw(tag, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  // An enumerated value of the profile as the name of a colour.
  const colour = (kind) => `var(--${/^[a-z_]+$/.test(kind) ? kind : "generic"})`;

  function scaled(value, units) {
    let i = 0;
    while (Math.abs(value) >= 1000 && i < units.length - 1) { value /= 1000; i++; }
    const digits = value === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
    return `${value.toFixed(digits)} ${units[i]}`.trim();
  }
  const count = (n) => scaled(n, ["", "k", "M", "G", "T"]);
  const flop = (n) => scaled(n, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"]);
  const bytes = (n) => scaled(n, ["B", "kB", "MB", "GB", "TB"]);
  const time = (s) => (s === 0 ? "0" : scaled(s * 1e9, ["ns", "µs", "ms", "s"]));
  const percent = (x) => `${(100 * x).toFixed(x < 0.0995 ? 1 : 0)} %`;
  const share = (c) => (total > 0 ? c.seconds / total : 0);
  const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  // Theme: the system's, until the button is pressed.
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (dark) => { root.dataset.theme = dark ? "dark" : "light"; };
  setTheme(system.matches);
  system.addEventListener("change", (event) => setTheme(event.matches));
  $("theme").addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));

  // Tooltip
  const tip = $("tip");
  function showTip(event, text) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
  }
  const hideTip = () => { tip.hidden = true; };
  const summary = (c) =>
    `${c.name}\n${c.kind} · ${c.role}\n${flop(c.flops)}, ${bytes(c.bytes)}, ` +
    `${c.intensity.toFixed(2)} FLOP/B\n${time(c.seconds)} (${percent(share(c))}), ${c.bound} bound`;

  // Head and tiles
  $("model").textContent = profile.model.name;
  const kinds = [...new Set(components.map((c) => c.kind))];
  const { type, confidence } = profile.workload;
  $("verdict").append(
    make("b", {}, type.replaceAll("_", " ")), `, confidence ${percent(confidence)} · `,
    `opset ${profile.model.opset} · ${plural(profile.model.nodes, "ONNX node")}`);
  const flops = components.reduce((sum, c) => sum + c.flops, 0);
  const traffic = components.reduce((sum, c) => sum + c.bytes, 0);
  for (const [value, label] of [
    [count(profile.model.parameters), `parameters, ${bytes(profile.model.parameter_bytes)}`],
    [flop(flops), "per call"],
    [bytes(traffic), "least traffic per call"],
    [time(total), "predicted, f32 roofline"],
    [String(components.length), "components"],
    [String(profile.flow.width), profile.flow.width === 1 ? "branch" : "branches side by side"],
  ]) $("tiles").append(make("div", { class: "tile" }, make("b", {}, value), make("span", {}, label)));
  for (const kind of kinds) {
    const swatch = make("i", { class: "swatch" });
    swatch.style.background = colour(kind);
    $("legend").append(make("span", {}, swatch, kind.replaceAll("_", " ")));
  }

  // Graph
  const graph = $("graph");
  const scene = draw("g", { id: "scene" });
  graph.append(
    draw("defs", {}, draw("marker",
      { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
      draw("path", { d: "M0 0.8 L7.5 4 L0 7.2 z", style: "fill: var(--edge)" }))), scene);
  function curve(points) {
    let path = `M${points[0][0]} ${points[0][1]}`;
    for (let i = 1; i < points.length; i++) {
      const [x0, y0] = points[i - 1], [x1, y1] = points[i], middle = (y0 + y1) / 2;
      path += ` C${x0} ${middle} ${x1} ${middle} ${x1} ${y1}`;
    }
    return path;
  }
  const lines = profile.flow.edges.map((edge, i) => {
    const route = drawing.routes[i];
    if (!route.length) return null;
    const line = draw("path", {
      class: edge.residual ? "edge residual" : "edge", d: curve(route), "marker-end": "url(#arrow)",
    });
    line.addEventListener("mousemove", (e) =>
      showTip(e, `${edge.source} → ${edge.target}\n${bytes(edge.bytes)}${edge.residual ? ", residual stream" : ""}`));
    line.addEventListener("mouseleave", hideTip);
    scene.append(line);
    return line;
  });
  function shortened(name, most) {
    // The last parts of a dotted name say most; a part is cut only if it alone is too long.
    const parts = name.split(".");
    while (parts.length > 1 && parts.join(".").length + 1 > most) parts.shift();
    const rest = parts.join(".");
    if (rest.length >= most) return `…${rest.slice(1 - most)}`;
    return rest === name ? name : `…${rest}`;
  }
  const { boxWidth, boxHeight } = drawing;
  const boxes = components.map((c, i) => {
    const [x, y] = drawing.boxes[i];
    const stripe = draw("rect", { width: 5, height: boxHeight, rx: 2.5 });
    const bar = draw("rect", {
      x: 12, y: boxHeight - 6, height: 2.5, rx: 1.2,
      width: Math.max(0, (boxWidth - 24) * (c.seconds / longest)).toFixed(1),
    });
    stripe.style.fill = bar.style.fill = colour(c.kind);
    const box = draw("g", {
      class: "box", transform: `translate(${x - boxWidth / 2} ${y - boxHeight / 2})`,
      tabindex: 0, role: "button", "aria-label": c.name, "data-component": i,
    },
      draw("rect", { class: "frame", width: boxWidth, height: boxHeight, rx: 6 }), stripe,
      draw("text", { x: 13, y: 18 }, shortened(c.name, 24)),
      draw("text", { class: "second", x: 13, y: 33 }, `${c.kind.replaceAll("_", " ")} · ${time(c.seconds)}`),
      bar);
    box.addEventListener("click", () => { if (!dragged) choose(i); });
    box.addEventListener("keydown", (e) => {
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); choose(i); }
    });
    box.addEventListener("mousemove", (e) => showTip(e, summary(c)));
    box.addEventListener("mouseleave", hideTip);
    scene.append(box);
    return box;
  });

  // The view: scene coordinates of the frame's corner, and pixels per unit.
  const view = { x: 0, y: 0, scale: 1 };
  let dragged = false;
  const map = $("map");
  const viewMark = draw("rect", { class: "view" });
  map.setAttribute("viewBox", `0 0 ${drawing.width} ${drawing.height}`);
  map.append(viewMark);
  components.forEach((c, i) => {
    const [x, y] = drawing.boxes[i];
    const block = draw("rect", { x: x - boxWidth / 2, y: y - boxHeight / 2, width: boxWidth, height: boxHeight });
    block.style.fill = colour(c.kind);
    map.insertBefore(block, viewMark);
  });
  function applyView() {
    const frame = graph.getBoundingClientRect();
    scene.setAttribute("transform", `scale(${view.scale}) translate(${-view.x} ${-view.y})`);
    for (const [name, value] of [["x", view.x], ["y", view.y],
      ["width", frame.width / view.scale], ["height", frame.height / view.scale]])
      viewMark.setAttribute(name, value);
    map.style.display =
      frame.width / view.scale >= drawing.width && frame.height / view.scale >= drawing.height ? "none" : "";
  }
  function zoom(factor, px, py) {
    const scale = Math.min(4, Math.max(0.02, view.scale * factor));
    view.x += px / view.scale - px / scale;
    view.y += py / view.scale - py / scale;
    view.scale = scale;
    applyView();
  }
  function fit(least) {
    const frame = graph.getBoundingClientRect();
    const whole = Math.min(frame.width / drawing.width, frame.height / drawing.height, 1.2);
    view.scale = Math.max(whole, least);
    view.x = (drawing.width - frame.width / view.scale) / 2;
    view.y = Math.min(0, (drawing.height - frame.height / view.scale) / 2);
    if (whole >= least) view.y = (drawing.height - frame.height / view.scale) / 2;
    applyView();
  }
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = graph.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)),
      event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  const middleOf = (frame) => [frame.width / 2, frame.height / 2];
  $("zoom-in").addEventListener("click", () => zoom(1.4, ...middleOf(graph.getBoundingClientRect())));
  $("zoom-out").addEventListener("click", () => zoom(1 / 1.4, ...middleOf(graph.getBoundingClientRect())));
  $("zoom-fit").addEventListener("click", () => fit(0));
  let held = null;
  graph.addEventListener("pointerdown", (event) => {
    if (event.button === 0) { held = [event.clientX, event.clientY]; dragged = false; }
  });
  addEventListener("pointermove", (event) => {
    if (!held) return;
    const [dx, dy] = [event.clientX - held[0], event.clientY - held[1]];
    if (!dragged && Math.hypot(dx, dy) < 4) return;
    dragged = true;
    graph.classList.add("moving");
    view.x -= dx / view.scale;
    view.y -= dy / view.scale;
    held = [event.clientX, event.clientY];
    applyView();
  });
  addEventListener("pointerup", () => { held = null; graph.classList.remove("moving"); });
  function goTo(x, y) {
    const frame = graph.getBoundingClientRect();
    view.x = x - frame.width / view.scale / 2;
    view.y = y - frame.height / view.scale / 2;
    applyView();
  }
  map.addEventListener("click", (event) => {
    const frame = map.getBoundingClientRect();
    const scale = Math.min(frame.width / drawing.width, frame.height / drawing.height);
    goTo((event.clientX - frame.left - (frame.width - drawing.width * scale) / 2) / scale,
      (event.clientY - frame.top - (frame.height - drawing.height * scale) / 2) / scale);
  });
  addEventListener("resize", applyView);

  // Choosing a component marks it everywhere, and shows what is behind it.
  let chosen = -1;
  function choose(i, move = false) {
    chosen = chosen === i ? -1 : i;
    const near = new Set([chosen]);
    profile.flow.edges.forEach((edge, k) => {
      const [s, t] = [byName.get(edge.source), byName.get(edge.target)];
      const touches = chosen >= 0 && (s === chosen || t === chosen);
      if (touches) { near.add(s); near.add(t); }
      if (lines[k]) {
        lines[k].classList.toggle("near", touches);
        lines[k].classList.toggle("dim", chosen >= 0 && !touches);
      }
    });
    boxes.forEach((box, k) => {
      box.classList.toggle("chosen", k === chosen);
      box.classList.toggle("dim", chosen >= 0 && !near.has(k));
    });
    dots.forEach((dot, k) => dot && dot.classList.toggle("chosen", k === chosen));
    if (move && chosen >= 0) goTo(...drawing.boxes[chosen]);
    showDetails();
  }
  function pairs(rows) {
    return make("dl", {}, ...rows.filter((r) => r[1] !== "" && r[1] !== null)
      .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
  }
  const nodeList = (c) => make("ol", { class: "nodes" }, ...c.nodes.map((n) => make("li", {}, n)));
  function attentionText(a) {
    const heads = a.key_heads === a.heads ? `${a.heads} heads`
      : `${a.heads} heads, ${a.key_heads} for keys and values`;
    const extent = a.queries || a.keys ? `, ${a.queries || "?"} × ${a.keys || "?"}` : "";
    return `${a.purpose}, ${heads} of ${a.head_dim}${extent}, ` +
      `${a.causal ? "causal" : "bidirectional"}, mask: ${a.mask}` +
      `${a.rotary ? ", rotary" : ""}${a.cache ? ", KV cache" : ""}${a.sinks ? ", sinks" : ""}`;
  }
  function recurrentText(r) {
    return `${r.cell.toUpperCase()}, ${r.inputs || "?"} → ${r.hidden}` +
      `${r.directions === 2 ? ", both ways" : ""}${r.steps ? `, ${plural(r.steps, "step")}` : ""}`;
  }
  const shapeText = (c) => c.attention ? attentionText(c.attention) : c.recurrent ? recurrentText(c.recurrent) : "";
  function figures(c) {
    return [
      ["kind", c.kind.replaceAll("_", " ")], ["role", c.role], ["phase", c.phase], ["modality", c.modality],
      ["time", `${time(c.seconds)} predicted (${percent(share(c))})`], ["bound by", c.bound],
      ["work", flop(c.flops)], ["traffic", bytes(c.bytes)], ["intensity", `${c.intensity.toFixed(2)} FLOP/B`],
      ["parameters", count(c.params)], ["score", c.score.toFixed(2)],
      ["precisions", c.precisions.join(", ")], ["kernels", c.kernels.join(", ")],
      [c.attention ? "attention" : "cell", shapeText(c)],
    ];
  }
  function showDetails() {
    const panel = $("details");
    if (chosen < 0) {
      const heavy = [...components.keys()].sort((a, b) => components[b].seconds - components[a].seconds);
      panel.replaceChildren(make("h3", {}, "Where the time goes"),
        ...heavy.slice(0, 12).map((i) => {
          const fill = make("i");
          fill.style.width = `${100 * (components[i].seconds / longest)}%`;
          fill.style.background = colour(components[i].kind);
          const row = make("div", { tabindex: 0, role: "button" },
            `${components[i].name} · ${percent(share(components[i]))}`, make("div", { class: "meter" }, fill));
          row.style.cursor = "pointer";
          row.addEventListener("click", () => choose(i, true));
          row.addEventListener("keydown", (e) => { if (e.key === "Enter") choose(i, true); });
          return row;
        }));
      return;
    }
    const c = components[chosen];
    panel.replaceChildren(make("h3", {}, c.name), pairs(figures(c)),
      make("b", {}, plural(c.nodes.length, "ONNX node")), nodeList(c));
  }

  // Roofline
  const dots = components.map(() => null);
  (() => {
    const svg = $("roofline"), W = 640, H = 340, left = 56, right = 14, top = 14, bottom = 42;
    svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
    const { gflops, bandwidth } = profile.hardware;
    const peak = gflops.f32;
    const drawn = components.filter((c) => c.flops > 0 && c.bytes > 0 && c.seconds > 0);
    const idle = components.length - drawn.length;
    $("roofline-note").textContent =
      "One dot per component, its area its share of the predicted time; the lines are this machine's " +
      (profile.hardware.measured ? "measured" : "estimated") + " limits. Dots lie on the roof by construction: " +
      "the time is a prediction, not a measurement." +
      (idle ? ` ${plural(idle, "component")} without arithmetic ${idle === 1 ? "is" : "are"} not drawn.` : "");
    if (!peak || !bandwidth || !drawn.length) {
      svg.replaceWith(make("p", { class: "hint" }, "Nothing to draw."));
      return;
    }
    const ridge = peak / bandwidth;
    const xs = [...drawn.map((c) => c.intensity), ridge];
    const x0 = Math.floor(Math.log10(Math.min(...xs) / 1.5)), x1 = Math.ceil(Math.log10(Math.max(...xs) * 2));
    const tops = Object.values(gflops);
    const y1 = Math.ceil(Math.log10(Math.max(...tops) * 1.1));
    const y0 = Math.floor(Math.log10(Math.min(bandwidth * 10 ** x0, peak)));
    const X = (v) => left + ((Math.log10(v) - x0) / (x1 - x0)) * (W - left - right);
    const Y = (v) => H - bottom - ((Math.log10(v) - y0) / (y1 - y0)) * (H - top - bottom);
    const number = (e) => (e >= 0 && e <= 4 ? String(10 ** e) : e < 0 && e >= -3 ? (10 ** e).toFixed(-e) : `1e${e}`);
    for (let e = x0; e <= x1; e++) svg.append(
      draw("line", { class: "grid", x1: X(10 ** e), x2: X(10 ** e), y1: top, y2: H - bottom }),
      draw("text", { x: X(10 ** e), y: H - bottom + 16, "text-anchor": "middle" }, number(e)));
    for (let e = y0; e <= y1; e++) svg.append(
      draw("line", { class: "grid", x1: left, x2: W - right, y1: Y(10 ** e), y2: Y(10 ** e) }),
      draw("text", { x: left - 6, y: Y(10 ** e) + 4, "text-anchor": "end" }, number(e)));
    svg.append(
      draw("text", { x: (left + W - right) / 2, y: H - 6, "text-anchor": "middle" }, "FLOP per byte"),
      draw("text", { transform: `translate(13 ${(top + H - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, "GFLOP/s"));
    for (const [precision, height] of Object.entries(gflops)) {
      const start = Math.max(10 ** x0, 10 ** y0 / bandwidth);
      svg.append(
        draw("path", {
          class: precision === "f32" ? "roof" : "roof other",
          d: `M${X(start)} ${Y(bandwidth * start)} L${X(Math.min(height / bandwidth, 10 ** x1))} ` +
            `${Y(Math.min(height, bandwidth * 10 ** x1))} L${X(10 ** x1)} ${Y(Math.min(height, bandwidth * 10 ** x1))}`,
        }),
        draw("text", { x: W - right - 4, y: Y(height) - 5, "text-anchor": "end" },
          `${precision}: ${height.toFixed(0)} GFLOP/s`));
    }
    components.forEach((c, i) => {
      if (!drawn.includes(c)) return;
      const dot = draw("circle", {
        class: "dot", cx: X(c.intensity), cy: Y(Math.max(c.flops / c.seconds / 1e9, 10 ** y0)),
        r: (4 + 22 * Math.sqrt(share(c))).toFixed(1),
      });
      dot.style.fill = colour(c.kind);
      dot.addEventListener("mousemove", (e) => showTip(e, summary(c)));
      dot.addEventListener("mouseleave", hideTip);
      dot.addEventListener("click", () => choose(i, true));
      dots[i] = dot;
    });
    // Small ones last, so that a large one hides none.
    [...dots.keys()].filter((i) => dots[i]).sort((a, b) => components[b].seconds - components[a].seconds)
      .forEach((i) => svg.append(dots[i]));
  })();

  // Evidence
  const heaviest = Math.max(...profile.workload.evidence.map((e) => e.weight), 1e-30);
  for (const e of profile.workload.evidence) {
    const fill = make("i");
    fill.style.width = `${100 * (e.weight / heaviest)}%`;
    $("evidence").append(make("div", {}, e.text, " ", make("span", { class: "tag" }, e.supports.replaceAll("_", " "))),
      make("div", { class: "meter", title: `weight ${e.weight}` }, fill));
  }
  const assumed = Object.entries(profile.model.assumed);
  $("evidence").append(pairs([
    ["inputs", profile.model.inputs.join("\n")], ["outputs", profile.model.outputs.join("\n")],
    ["assumed", assumed.map(([k, v]) => `${k} = ${v}`).join(", ")],
    ["modalities meet in", profile.flow.fusion_points.join(", ")],
  ]));
  for (const dd of $("evidence").querySelectorAll("dd")) dd.style.whiteSpace = "pre-line";

  // Opportunities
  for (const o of profile.opportunities) {
    const gain = [o.seconds > 0 ? `${time(o.seconds)} (${percent(total > 0 ? o.seconds / total : 0)})` : "",
      o.bytes > 0 ? `${bytes(o.bytes)} of memory` : ""].filter(Boolean).join(", ");
    const where = o.components.length > 6
      ? `${o.components.slice(0, 6).join(", ")} and ${o.components.length - 6} more` : o.components.join(", ");
    $("opportunities").append(make("div", { class: "opportunity" },
      make("div", {}, make("span", { class: "tag" }, o.kind.replaceAll("_", " ")), make("b", {}, o.title)),
      make("div", { class: "gain" }, gain ? `−${gain}` : "", make("div", { class: "hint" }, o.basis)),
      make("p", {}, o.detail, make("br"), where)));
  }
  if (!profile.opportunities.length) $("opportunities").append(make("p", { class: "hint" }, "None found."));
  const sought = { redundant: "equal ones", pruning: "channels and heads near zero" };
  const searches = profile.searches.filter((s) => s.bytes > 0).map((s) =>
    `${Math.floor((100 * s.examined) / s.bytes)}% of ${bytes(s.bytes)} for ${sought[s.kind] || s.kind}`);
  if (searches.length) {
    const limit = bytes(Math.max(...profile.searches.map((s) => s.limit)));
    $("opportunities").append(make("p", { class: "hint" },
      `Weights looked at: ${searches.join(", ")} (at most ${limit} are read for each).`));
  }

  // Kernels
  const plan = profile.kernels;
  if (plan) {
    $("kernels-for").textContent = plan.reason ? `None: ${plan.reason}`
      : `noema's own kernels that a program would call here: products in ${plan.precision}, threads: ${plan.threads}.`;
    // Calls of one kernel in components of one kind and role share a row.
    const kernels = new Map();
    for (const use of plan.uses) {
      const c = components[byName.get(use.component)];
      const key = JSON.stringify([c?.kind, c?.role, use.kernel, use.description]);
      const row = kernels.get(key) ?? { kind: c?.kind ?? "", role: c?.role ?? "", use, calls: 0 };
      row.calls++;
      kernels.set(key, row);
    }
    if (kernels.size) {
      $("kernels").append(make("thead", {}, make("tr", {}, ...["kind", "role", "kernel"].map((t) => make("th", {}, t)),
        make("th", { class: "number" }, "calls"), make("th", {}, "what it is"))),
      make("tbody", {}, ...[...kernels.values()].map((row) => make("tr", {},
        make("td", {}, row.kind.replaceAll("_", " ")), make("td", {}, row.role), make("td", {}, row.use.kernel),
        make("td", { class: "number" }, String(row.calls)), make("td", { class: "wide" }, row.use.description)))));
    }
    const reasons = new Map();
    for (const item of plan.declined) {
      reasons.set(item.reason, [...(reasons.get(item.reason) ?? []), ...item.nodes]);
    }
    if (reasons.size) {
      $("without-kernel").append(make("p", { class: "hint" }, "Left to IREE's code generation, and why:"),
        ...[...reasons].sort((a, b) => b[1].length - a[1].length).map(([reason, nodes]) =>
          make("details", {}, make("summary", {}, `${nodes.length} × ${reason}`), make("p", { class: "hint" }, nodes.join(", ")))));
    }
  } else $("kernels-card").hidden = true;

  // Table
  const columns = [
    ["name", (c) => c.name, "wide"], ["kind", (c) => c.kind], ["role", (c) => c.role],
    ["phase", (c) => c.phase], ["modality", (c) => c.modality],
    ["nodes", (c) => c.nodes.length, "number", (v) => v],
    ["GFLOP", (c) => c.flops, "number", (v) => (v / 1e9).toFixed(3)],
    ["MB", (c) => c.bytes, "number", (v) => (v / 1e6).toFixed(2)],
    ["params", (c) => c.params, "number", count],
    ["FLOP/B", (c) => c.intensity, "number", (v) => v.toFixed(2)],
    ["bound", (c) => c.bound],
    ["µs", (c) => c.seconds, "number", (v) => (v * 1e6).toFixed(1)],
    ["score", (c) => c.score, "number", (v) => v.toFixed(2)],
  ];
  let sortedBy = -1, descending = false;
  const heads = columns.map(([name, , kind], k) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      descending = sortedBy === k ? !descending : kind === "number";
      sortedBy = k;
      fillTable();
    });
    return make("th", { class: kind === "number" ? "number" : "", scope: "col" }, button);
  });
  const body = make("tbody");
  $("components").append(make("thead", {}, make("tr", {}, ...heads)), body);
  const rows = components.map((c, i) => {
    const row = make("tr", { class: "row", tabindex: 0 }, ...columns.map(([, value, kind, shown]) =>
      make("td", { class: kind || "" }, String(shown ? shown(value(c)) : value(c)))));
    const inner = make("tr", { class: "inner" }, make("td", { colspan: columns.length }));
    inner.hidden = true;
    const open = () => {
      if (!inner.firstChild.firstChild) inner.firstChild.append(nodeList(c));
      inner.hidden = !inner.hidden;
      row.classList.toggle("chosen", !inner.hidden);
    };
    row.addEventListener("click", open);
    row.addEventListener("keydown", (e) => { if (e.key === "Enter") open(); });
    return [row, inner, `${c.name} ${c.kind} ${c.role} ${c.phase} ${c.modality} ${c.bound}`.toLowerCase(), i];
  });
  function fillTable() {
    const words = $("filter").value.toLowerCase().split(/\s+/);
    const shown = rows.filter(([, , text]) => words.every((w) => text.includes(w)));
    if (sortedBy >= 0) {
      const value = columns[sortedBy][1];
      const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
      shown.sort((a, b) => order(value(components[a[3]]), value(components[b[3]])) * (descending ? -1 : 1));
    }
    heads.forEach((head, k) =>
      head.setAttribute("aria-sort", k !== sortedBy ? "none" : descending ? "descending" : "ascending"));
    body.replaceChildren(...shown.flatMap(([row, inner]) => [row, inner]));
    $("shown").textContent = `${shown.length} of ${components.length}`;
  }
  $("filter").addEventListener("input", fillTable);

  // Attention and recurrent layers, machine, timing
  for (const kind of ["attention", "recurrent"]) {
    const layers = components.filter((c) => c[kind]);
    if (layers.length) {
      $(kind).append(make("table", {}, make("tbody", {}, ...layers.map((c) =>
        make("tr", {}, make("td", { class: "wide" }, c.name), make("td", {}, shapeText(c)))))));
    } else $(`${kind}-card`).hidden = true;
  }
  const h = profile.hardware;
  $("hardware").append(pairs([
    ["CPU", `${h.cpu} (${h.architecture})`], ["cores", h.cores], ["features", h.features.join(", ")],
    ["caches", h.caches.map((c) => `${c.name} ${bytes(c.bytes)}`).join(", ")],
    ...Object.entries(h.gflops).map(([p, v]) => [p, `${v.toFixed(1)} GFLOP/s`]),
    ["memory", `${h.bandwidth.toFixed(1)} GB/s`],
    ...h.accelerators.map((a) => [a.kind, a.name]),
    ["figures", h.measured ? "measured on this machine" : "estimated from cores and features"],
  ]));
  const slowest = profile.timing.patterns.filter((p) => p.tried > 0).sort((a, b) => b.seconds - a.seconds);
  $("timing").append(
    pairs([["in all", time(profile.timing.total)],
      ...Object.entries(profile.timing.stages).map(([name, s]) => [name, time(s)])]),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {},
      make("th", {}, "pattern"), make("th", { class: "number" }, "tried"),
      make("th", { class: "number" }, "found"), make("th", { class: "number" }, "time"))),
    make("tbody", {}, ...slowest.slice(0, 20).map((p) => make("tr", {}, make("td", {}, p.name),
      make("td", { class: "number" }, String(p.tried)), make("td", { class: "number" }, String(p.found)),
      make("td", { class: "number" }, time(p.seconds))))))));
  if (profile.declined.length) {
    $("timing").append(make("p", { class: "hint" }, "Near misses of patterns:"), make("ul", {},
      ...profile.declined.slice(0, 50).map((d) => make("li", {}, `${d.pattern} at ${d.node}: ${d.reason}`))));
  }

  fillTable();
  showDetails();
  fit(0.62);
  root.dataset.ready = "yes";
})();
