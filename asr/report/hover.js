for (const figure of document.querySelectorAll("figure.chart")) {
  const chart = JSON.parse(figure.dataset.chart);
  const drawing = figure.querySelector("svg");
  const cursor = drawing.querySelector(".cursor");
  const when = figure.querySelector(".when");
  const values = [...figure.querySelectorAll(".value")];
  const atRest = [when.textContent, ...values.map((value) => value.textContent)];
  const stops = [...new Set(chart.lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const dots = chart.lines.map(() => {
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    dot.setAttribute("class", "dot");
    dot.setAttribute("r", "4");
    dot.setAttribute("visibility", "hidden");
    return drawing.appendChild(dot);
  });
  let stop = stops.length - 1;

  const nearest = (xs, x) => xs.reduce((best, at, i) => (Math.abs(at - x) < Math.abs(xs[best] - x) ? i : best), 0);

  function show(x) {
    stop = nearest(stops, x);
    const hours = (chart.hours * (stops[stop] - chart.left)) / (chart.right - chart.left);
    when.textContent = `at ${hours.toFixed(hours < 10 ? 2 : 1)} h`;
    cursor.setAttribute("x1", stops[stop]);
    cursor.setAttribute("x2", stops[stop]);
    cursor.setAttribute("visibility", "visible");
    chart.lines.forEach((line, row) => {
      const i = nearest(line.x, stops[stop]);
      // A line that has no value near the cursor has none to read out: labels before their start, say.
      const near = Math.abs(line.x[i] - stops[stop]) < 5;
      values[row].textContent = near ? line.text[i] : "–";
      dots[row].setAttribute("cx", line.x[i]);
      dots[row].setAttribute("cy", line.y[i]);
      dots[row].setAttribute("visibility", near ? "visible" : "hidden");
    });
  }

  function rest() {
    [when, ...values].forEach((node, i) => (node.textContent = atRest[i]));
    for (const mark of [cursor, ...dots]) mark.setAttribute("visibility", "hidden");
    stop = stops.length - 1;
  }

  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    show(((event.clientX - box.left) / box.width) * chart.width);
  });
  drawing.addEventListener("pointerleave", rest);
  drawing.addEventListener("blur", rest);
  drawing.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    show(stops[Math.min(Math.max(stop + move, 0), stops.length - 1)]);
  });
}
