"use strict";
// Scores and ranks under the reader's weights. The same arithmetic as results/ranks.py: a weighted sum, equal scores
// share the better place, and each weight is drawn anew between half and twice itself to see which ranks survive.
const REDRAWN = 1000;

function scoresOf(arms, weights) {
  return arms.map((arm) => Object.keys(weights).reduce((sum, name) => sum + weights[name] * (arm.values[name] ?? 0), 0));
}

function placesOf(scores) {
  const rounded = scores.map((score) => Math.round(score * 1e9) / 1e9);
  return rounded.map((score) => 1 + rounded.filter((other) => other > score).length);
}

function seeded(seed) {
  // mulberry32: the same draws on every page, so that two readers with the same weights see the same.
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function weigh(arms, given) {
  const weights = Object.fromEntries(Object.entries(given).filter(([, weight]) => weight !== 0));
  const missing = Object.keys(weights).filter((name) => arms.some((arm) => arm.values[name] === null));
  if (missing.length || !Object.keys(weights).length) return {missing, lines: []};
  const scores = scoresOf(arms, weights);
  const places = placesOf(scores);
  const keeps = arms.map(() => 0);
  let whole = 0;
  const draw = seeded(1);
  for (let round = 0; round < REDRAWN; round += 1) {
    const drawn = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, w * 2 ** (2 * draw() - 1)]));
    const again = placesOf(scoresOf(arms, drawn));
    again.forEach((place, index) => { if (place === places[index]) keeps[index] += 1; });
    if (again.every((place, index) => place === places[index])) whole += 1;
  }
  const lines = arms.map((arm, index) => ({
    arm: arm.arm, name: arm.name, score: scores[index], place: places[index], keeps: keeps[index] / REDRAWN,
  }));
  lines.sort((a, b) => a.place - b.place || (a.arm < b.arm ? -1 : 1));
  return {missing: [], lines, survives: whole / REDRAWN};
}

function shown(value, places) {
  // What rounds to nothing is 0.00, never -0.00.
  return (Math.round(value * 10 ** places) / 10 ** places + 0).toFixed(places);
}

if (typeof document !== "undefined") {
  const data = JSON.parse(document.getElementById("vectors").textContent);
  const sliders = [...document.querySelectorAll(".weights input")];
  const body = document.getElementById("weighed");
  const survives = document.getElementById("survives");
  const show = () => {
    const weights = Object.fromEntries(sliders.map((one) => [one.name, Number(one.value)]));
    for (const one of sliders) one.nextElementSibling.textContent = shown(Number(one.value), 2);
    const found = weigh(data.arms, weights);
    body.replaceChildren(...found.lines.map((line) => {
      const row = document.createElement("tr");
      for (const text of [line.place, line.name, shown(line.score, 3), `${Math.round(line.keeps * 100)}%`]) {
        const cell = document.createElement("td");
        cell.textContent = text;
        row.append(cell);
      }
      return row;
    }));
    survives.textContent = found.lines.length ? `${Math.round(found.survives * 100)}%` : `– ${found.missing.join(", ")}`;
  };
  for (const one of sliders) one.addEventListener("input", show);
  document.getElementById("defaults").addEventListener("click", () => {
    for (const one of sliders) one.value = one.dataset.default;
    show();
  });
  show();
} else {
  module.exports = {weigh, shown};
}
