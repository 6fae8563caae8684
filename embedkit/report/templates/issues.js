"use strict";
const suspects = [...document.querySelectorAll("[data-issue]")];
const cards = suspects.filter((suspect) => suspect.tagName === "ARTICLE");
const choices = [...document.querySelectorAll("#filters input")];
const pair = document.getElementById("pair");

function filter() {
  const issues = new Set(choices.filter((choice) => choice.checked).map((choice) => choice.value));
  let shown = 0;
  for (const suspect of suspects) {
    suspect.hidden = !issues.has(suspect.dataset.issue) || (pair.value !== "" && suspect.dataset.pair !== pair.value);
    shown += !suspect.hidden;
  }
  document.getElementById("shown").value = shown === suspects.length ? "" : `${shown} shown`;
}

function step(by) {
  const visible = cards.filter((card) => !card.hidden);
  const here = visible.indexOf(document.activeElement.closest("article"));
  const next = visible[Math.min(Math.max(here + by, 0), visible.length - 1)];
  if (next) { next.focus({ preventScroll: true }); next.scrollIntoView({ block: "start" }); }
}

document.getElementById("filters").addEventListener("change", filter);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", (event) => event.target.closest("article")?.focus({ preventScroll: true }));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "i") document.body.classList.toggle("inverted");
  else if (event.key === "e") document.activeElement.closest("article")?.classList.toggle("enlarged");
  else return;
  event.preventDefault();
});
filter();
