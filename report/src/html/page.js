"use strict";
(() => {
  const root = document.documentElement;
  const zh = () => root.lang.startsWith("zh");
  const own = (element) => element.dataset[zh() ? "zh" : "en"];
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
  const yuan = (fen) => {
    const digits = fen.padStart(3, "0");
    return `${grouped(digits.slice(0, -2))}.${digits.slice(-2)}`;
  };

  const remember = (language) => {
    try { localStorage.setItem("cityunion-report-language", language); } catch { /* Without storage a page only forgets. */ }
  };
  const speak = (language) => {
    root.lang = language;
    document.title = own(document.querySelector("title"));
    all("[data-en]:not(title)").forEach((element) => element.setAttribute("aria-label", own(element)));
    all("table[data-sorted]").forEach((table) => {
      const by = table.querySelector('th[aria-sort="ascending"] button[data-text], th[aria-sort="descending"] button[data-text]');
      if (by) sort(by, false);
    });
  };
  document.getElementById("language").addEventListener("click", () => {
    const language = zh() ? "en" : "zh-CN";
    remember(language);
    hide();
    speak(language);
  });

  // Tables sort by the column whose head is pressed: figures downwards first, texts upwards.
  const shown = (cell) => cell.querySelector(zh() ? ".zh" : ".en")?.textContent ?? cell.textContent;
  const sort = (button, turn) => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = head.cellIndex;
    const text = "text" in button.dataset;
    let order = head.getAttribute("aria-sort");
    if (turn) order = order ? (order === "ascending" ? "descending" : "ascending") : text ? "ascending" : "descending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    table.dataset.sorted = "";
    const words = new Intl.Collator(root.lang, { numeric: true });
    const compare = text
      ? (a, b) => words.compare(shown(a.cells[column]), shown(b.cells[column]))
      : (a, b) => {
          const [x, y] = [a, b].map((row) => BigInt(row.cells[column].dataset.v));
          return x < y ? -1 : x > y ? 1 : 0;
        };
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => sign * compare(a, b)));
  };
  all("th button").forEach((button) => button.addEventListener("click", () => sort(button, true)));

  // What a mark of a chart stands for.
  const cities = JSON.parse(document.getElementById("cities").textContent);
  const city = (index) => `${cities[index][zh() ? 2 : 1]} ${cities[index][0]}`;
  const describe = (mark) => {
    if (!mark.dataset.v) return own(mark);
    const [count, fen] = mark.dataset.v.split(" ");
    const gets = city(mark.parentNode.dataset.r);
    const pays = city(mark.dataset.c);
    const taps = grouped(count);
    return zh()
      ? `${pays} 付给 ${gets}\n¥${yuan(fen)} · ${taps} 笔`
      : `${pays} owes ${gets}\n¥${yuan(fen)} · ${taps} taps`;
  };
  const tip = document.getElementById("tip");
  const live = document.getElementById("live");
  let on = null;
  const hide = () => {
    tip.hidden = true;
    on?.classList.remove("on");
    on = null;
  };
  const show = (mark) => {
    if (on !== mark) on?.classList.remove("on");
    on = mark;
    mark.classList.add("on");
    tip.textContent = describe(mark);
    tip.hidden = false;
    const box = mark.getBoundingClientRect();
    const wide = root.clientWidth;
    const left = Math.min(Math.max(4, box.left + box.width / 2 - tip.offsetWidth / 2), wide - tip.offsetWidth - 4);
    const above = box.top - tip.offsetHeight - 8;
    const top = above > 4 ? above : box.bottom + 8;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${top + scrollY}px`;
  };
  const MARKS = "[data-v], [data-en]";
  const nearest = (element) => {
    const mark = element.closest?.(`svg.chart :is(${MARKS})`);
    return mark ?? null;
  };
  document.addEventListener("pointerover", (event) => {
    const mark = nearest(event.target);
    if (mark) show(mark);
    else if (on && !on.closest("svg").matches(":focus")) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });

  // A chart is one stop of the Tab key; arrows move inside it and read out what is met.
  const STEP = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const beside = (mark, [across, down]) => {
    const [row, column] = [Number(mark.parentNode.dataset.r), Number(mark.dataset.c)];
    const chart = mark.closest("svg");
    for (let step = 1; step < cities.length; step += 1) {
      const [r, c] = [row + down * step, column + across * step];
      const next = chart.querySelector(`g[data-r="${r}"] > rect[data-c="${c}"]`);
      if (next) return next;
    }
    return mark;
  };
  all("svg.chart").forEach((chart) => {
    const marks = all(MARKS, chart);
    if (!marks.length) return;
    const say = (mark) => {
      show(mark);
      live.textContent = describe(mark);
    };
    chart.addEventListener("keydown", (event) => {
      const step = STEP[event.key];
      if (!step) return;
      event.preventDefault();
      const here = on && chart.contains(on) ? on : null;
      if (!here) say(marks[0]);
      else if (here.dataset.v) say(beside(here, step));
      else say(marks[Math.min(Math.max(0, marks.indexOf(here) + step[0] + step[1]), marks.length - 1)]);
      on.scrollIntoView({ block: "nearest", inline: "nearest" });
      show(on);
    });
    chart.addEventListener("blur", hide);
  });

  // Long tables show their first rows until they are asked for all.
  all("button.more").forEach((button) => button.addEventListener("click", () => {
    button.previousElementSibling.classList.remove("folded");
    button.remove();
  }));

  // On paper everything is open.
  window.addEventListener("beforeprint", () => all("details:not(.aside)").forEach((details) => { details.open = true; }));

  speak(root.lang);
})();
