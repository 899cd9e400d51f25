// Shows the progress of the round that runs: its bar, the text below it and the parts table.
// The page is complete without this script; reloading it shows the same.
"use strict";
(() => {
  const main = document.getElementById("main");
  const bar = document.querySelector("progress[data-round]");
  const text = document.getElementById("progress-text");
  const news = document.getElementById("news");
  if (!main || !bar || !text || !news) return;
  const round = bar.dataset.round;

  const row = (part) => document.querySelector(`tr[data-part="${CSS.escape(part)}"]`);
  const tags = { running: "running", done: "resolved", waiting: "waiting" };

  const showPart = (part, state, result) => {
    const found = row(part);
    if (!found) return;
    const tag = found.querySelector(".tag");
    tag.className = `tag ${tags[state] ?? ""}`;
    tag.textContent = state;
    if (result) found.querySelector("[data-result]").textContent = result;
  };

  const showProgress = (live) => {
    if (live.id !== round) return;
    for (const part of live.parts) showPart(part.part, part.state, part.summary);
    const phase = live.phase;
    if (phase && phase.steps) {
      bar.max = phase.steps;
      bar.value = Math.min(phase.done, phase.steps);
      const share = Math.floor((bar.value * 100) / phase.steps);
      const count = (number) => number.toLocaleString("en-US");
      text.textContent = `${phase.name}: ${count(phase.done)} of ${count(phase.steps)}, ${share} %`;
    } else {
      bar.removeAttribute("value");
      text.textContent = phase ? phase.name : "between two phases";
    }
  };

  const happened = (event) => {
    if (event.round !== round) return;
    if (event.kind === "part_started") showPart(event.part, "running");
    if (event.kind === "part_ended") {
      showPart(event.part, "done", event.summary);
      news.textContent = `${event.part} has ended: ${event.summary}`;
    }
    if (event.kind === "round_ended") {
      bar.hidden = true;
      text.textContent = "The round has ended. Reload the page for its result.";
      news.textContent = text.textContent;
      source.close();
    }
  };

  const parsed = (use) => (message) => {
    try {
      use(JSON.parse(message.data));
    } catch {
      // Not an event of this version: the next reload shows the state.
    }
  };

  // The browser connects again by itself, and sends the number of the last event.
  const source = new EventSource("/api/v1/events");
  source.addEventListener("message", parsed(happened));
  for (const kind of ["part_started", "part_ended", "round_ended"]) {
    source.addEventListener(kind, parsed(happened));
  }
  source.addEventListener("progress", parsed(showProgress));
})();
