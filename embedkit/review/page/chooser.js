// The list of regions with type-ahead: what begins as typed, then what contains it.

export class Chooser {
  constructor(dialog, chosen) {
    this.dialog = dialog;
    this.input = dialog.querySelector("input");
    this.list = dialog.querySelector("ul");
    this.chosen = chosen;
    this.regions = [];
    this.input.addEventListener("input", () => this.fill());
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.list.addEventListener("click", (event) => this.choose(event.target.closest("li")));
  }

  open() {
    this.input.value = "";
    this.fill();
    this.dialog.showModal();
    this.input.focus();
  }

  fill() {
    const typed = this.input.value.trim().toLowerCase();
    const begins = this.regions.filter((name) => name.toLowerCase().startsWith(typed));
    const contains = this.regions.filter((name) => name.toLowerCase().includes(typed) && !begins.includes(name));
    this.list.replaceChildren(...[...begins, ...contains].map((name, number) => this.item(name, number)));
    this.mark(0);
  }

  item(name, number) {
    const item = Object.assign(document.createElement("li"), { textContent: name, id: `region-${number}` });
    item.setAttribute("role", "option");
    return item;
  }

  mark(place) {
    const items = [...this.list.children];
    this.place = Math.min(Math.max(place, 0), items.length - 1);
    items.forEach((item, number) => item.setAttribute("aria-selected", String(number === this.place)));
    items[this.place]?.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", items[this.place]?.id ?? "");
  }

  press(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) this.mark(this.place + steps[event.key]);
    else if (event.key === "Enter") this.choose(this.list.children[this.place], event);
    else return;
    event.preventDefault();
  }

  choose(item, event) {
    if (!item || event?.repeat) return;
    this.dialog.close();
    this.chosen(item.textContent, event);
  }
}
