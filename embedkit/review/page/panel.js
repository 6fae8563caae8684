// The panel beside the radiograph: what is claimed of it, and on what evidence. Texts go in as text, never as HTML.

export const WORDS = {
  "mislabelled": "Wrong label?", "out-of-domain": "Out of domain?", "unusable": "Unusable?", "rare-label": "Mistyped?",
  "near-duplicate": "Repeated?", "missing-label": "No label",
  "study-conflict": "Study contradicts itself?", "header-conflict": "Header contradicts itself", "none": "Less sure",
};
const DECIDED = { keep: "keep the label", skip: "skipped", unusable: "unusable", "out-of-domain": "out of domain" };

export const $ = (id) => document.getElementById(id);

export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

export function named(region) {
  return region || "no label";
}

export function worded(own) {
  return own.verdict === "relabel" ? own.region : DECIDED[own.verdict];
}

export function drawFacts(entry, details, place) {
  $("issues").replaceChildren(...entry.issues.map((issue) => make("span", `tag ${issue}`, WORDS[issue] ?? issue)));
  $("place").textContent = place;
  $("given").textContent = named(details.given);
  $("verbatim").textContent = details.verbatim && details.verbatim !== details.given ? `“${details.verbatim}”` : "";
  $("suggested").textContent = details.suggested || "nothing";
  $("confidence").textContent = details.suggested ? `${Math.round(100 * details.confidence)}%` : "";
  const off = { keep: !details.given, accept: !details.suggested || details.suggested === details.given };
  for (const button of document.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-disabled", String(Boolean(off[button.dataset.verdict])));
  }
  $("own").hidden = !entry.own;
  $("own").textContent = entry.own ? `You said: ${worded(entry.own)}` : "";
}

// Made ahead, so that the thumbnails are there when it is shown.
export function drawEvidence(details, look) {
  const parts = [];
  if (details.why.length) {
    parts.push(make("h2", "", "Why"), make("ul", "why", ...details.why.map((sentence) => make("li", "", sentence))));
  }
  const row = (title, images) => {
    if (images.length) parts.push(make("h2", "", title), make("div", "row", ...images.map((it) => thumbnail(it, details, look))));
  };
  row("Nearest, of other patients", details.neighbours);
  row("The same exposure", details.repeats);
  row(details.sibling_kind === "study" ? "Others of the study" : "Others of the patient", details.siblings);
  parts.push(make("p", "about", [details.about, details.uid].filter(Boolean).join(" · ")));
  return parts;
}

// A neighbour's label has a sign beside its colour: ▲ for the given region, ● for the suggested one.
function thumbnail(image, details, look) {
  const kind = !image.region ? "" : image.region === details.suggested ? "suggested" : image.region === details.given ? "given" : "";
  const sign = { suggested: "●\u00a0", given: "▲\u00a0" }[kind] ?? "";
  const picture = Object.assign(new Image(), { src: `picture/${image.row}`, alt: "", width: 128, height: 128 });
  const button = make("button", `thumbnail ${kind}`, picture, make("span", "", sign + named(image.region).replace("/", "/\u200b")));
  button.type = "button";
  button.title = [named(image.region), image.about].filter(Boolean).join(", ");
  button.addEventListener("click", () => look(picture.src, button.title));
  return button;
}
