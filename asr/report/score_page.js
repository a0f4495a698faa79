const data = JSON.parse(document.getElementById("utterances").textContent);
const several = data.systems.length > 1;
const PAGE = 25;

const form = document.querySelector(".controls");
const only = form.querySelector(".only");
const pager = document.querySelector(".pager");
const list = document.querySelector(".utterances");
let error = null;
let page = 0;
let found = [];

const kindOf = (said, heard) => (said === heard ? "hit" : said === null ? "ins" : heard === null ? "del" : "sub");

// Counts and texts once, so that a search is quick among tens of thousands.
const utterances = data.utterances.map(([id, speaker, content], row) => {
  const words = typeof content === "string" ? content.split(" ").filter(Boolean) : null;
  const blocks = words ? [[data.systems.map((_, system) => system), words]] : content;
  const errors = data.systems.map(() => 0);
  const lengths = data.systems.map(() => 0);
  const texts = [id];
  for (const [systems, columns] of blocks) {
    const lines = [[], ...systems.map(() => [])];
    for (const column of columns) {
      const whole = typeof column === "string";
      lines.forEach((line, i) => {
        const word = whole ? column : column[i];
        if (word !== null) line.push(word);
      });
      systems.forEach((system, i) => {
        if (!whole && kindOf(column[0], column[i + 1]) !== "hit") errors[system] += 1;
        if (whole || column[0] !== null) lengths[system] += 1;
      });
    }
    texts.push(...(words ? lines.slice(0, 1) : lines).map((line) => line.join(" ")));
  }
  return { id, speaker, row, blocks, errors, lengths, text: texts.join("\n").toLowerCase() };
});

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function chosen() {
  const value = (name) => form.elements[name]?.value ?? "";
  const system = value("system");
  const part = (numbers) => (system === "" ? sum(numbers) : numbers[Number(system)]);
  const rate = (u) => part(u.errors) / Math.max(part(u.lengths), 1);
  const words = value("words").trim().toLowerCase().replace(/\s+/g, " ");
  const shown = {
    all: () => true,
    wrong: (u) => part(u.errors) > 0,
    right: (u) => part(u.errors) === 0,
    differ: (u) => u.blocks.length > 1 || u.blocks[0][1].some((c) => typeof c !== "string" && new Set(c.slice(1)).size > 1),
  }[value("show")];
  const order = {
    errors: (a, b) => part(b.errors) - part(a.errors) || rate(b) - rate(a) || a.row - b.row,
    rate: (a, b) => rate(b) - rate(a) || part(b.errors) - part(a.errors) || a.row - b.row,
    file: (a, b) => a.row - b.row,
  }[value("order")];
  const speaker = value("speaker");
  return utterances
    .filter((u) => shown(u) && (!speaker || u.speaker === speaker) && (!words || u.text.includes(words)) && (!error || hasError(u)))
    .sort(order);
}

function isError(systems, column) {
  const i = systems.indexOf(error.system);
  if (i < 0 || typeof column === "string" || kindOf(column[0], column[i + 1]) !== error.kind) return false;
  return [column[0], column[i + 1]].filter((word) => word !== null).every((word, k) => word === error.words[k]);
}

const hasError = (u) => u.blocks.some(([systems, columns]) => columns.some((column) => isError(systems, column)));

function node(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

function drawColumn(systems, column) {
  const cells = typeof column === "string" ? [column, ...systems.map(() => column)] : column;
  const kinds = cells.slice(1).map((heard) => kindOf(cells[0], heard));
  const marked = error && isError(systems, column);
  const show = (word) => (marked ? node("mark", "", word ?? "—") : (word ?? "—"));
  if (!several) return node("span", `word ${kinds[0]}`, node("span", "ref", show(cells[0])), node("span", "hyp", show(cells[1])));
  // Another system's insertion leaves a gap here, which is no error of this one.
  const heard = cells.slice(1).map((word, i) => {
    const gap = cells[0] === null && word === null;
    return node("span", gap ? "" : kinds[i] === "hit" ? "right" : kinds[i], gap ? "" : show(word));
  });
  return node("span", "word", node("span", "ref", cells[0] === null ? "" : show(cells[0])), ...heard);
}

function drawUtterance(u) {
  const counts = data.systems.map((name, system) => {
    const words = `${u.errors[system]} in ${u.lengths[system]}`;
    return node("span", "", several ? `${name}: ${words}` : `${u.errors[system] === 1 ? "1 error" : `${u.errors[system]} errors`} in ${u.lengths[system]} words`);
  });
  const item = node("li", "", node("p", "about", node("code", "", u.id), ...counts));
  for (const [systems, columns] of u.blocks) {
    const line = (i) => columns.map((c) => (typeof c === "string" ? c : c[i])).filter((word) => word !== null).join(" ") || "(nothing)";
    const spoken = systems.map((system, i) => `${several ? data.systems[system] : "Hypothesis"}: ${line(i + 1)}.`);
    item.append(node("p", "spoken", `Reference: ${line(0)}. ${spoken.join(" ")}`));
    const names = ["reference", ...systems.map((system) => data.labels[system])].map((name) => node("span", "", name));
    const aligned = node("p", "aligned", ...(several ? [node("span", "word names", ...names)] : []), ...columns.map((c) => drawColumn(systems, c)));
    aligned.setAttribute("aria-hidden", "true");
    item.append(aligned);
  }
  return item;
}

function drawPage() {
  const pages = Math.max(Math.ceil(found.length / PAGE), 1);
  page = Math.min(Math.max(page, 0), pages - 1);
  const rows = found.slice(page * PAGE, (page + 1) * PAGE);
  list.replaceChildren(...rows.map(drawUtterance));
  const [first, last] = [page * PAGE + 1, page * PAGE + rows.length].map((n) => n.toLocaleString("en"));
  const where = pager.querySelector(".where");
  where.textContent = rows.length ? `${first}${rows.length > 1 ? ` – ${last}` : ""} of ${found.length.toLocaleString("en")} utterances` : "no utterance fits";
  pager.querySelector(".previous").disabled = page === 0;
  pager.querySelector(".next").disabled = page === pages - 1;
}

function search() {
  only.hidden = !error;
  only.textContent = error ? `only ${error.words.join(" → ")}${several ? `, ${data.systems[error.system]}` : ""} ✕` : "";
  found = chosen();
  page = 0;
  drawPage();
}

function turn(by) {
  page += by;
  drawPage();
  pager.scrollIntoView({ block: "nearest" });
}

form.addEventListener("input", search);
form.addEventListener("submit", (event) => event.preventDefault());
only.addEventListener("click", () => ((error = null), search()));
pager.querySelector(".previous").addEventListener("click", () => turn(-1));
pager.querySelector(".next").addEventListener("click", () => turn(1));
for (const button of document.querySelectorAll("[data-error]")) {
  button.addEventListener("click", () => {
    error = JSON.parse(button.dataset.error);
    form.elements.show.value = "all";
    search();
    form.scrollIntoView({ behavior: "smooth" });
  });
}
search();
