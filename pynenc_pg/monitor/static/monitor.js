// Small help for pages that work without it: live updates, local times, the menu, zoom by dragging.
"use strict";

(() => {
  const body = document.body;

  // The menu of small screens.
  const menu = document.querySelector("button.menu");
  if (menu) {
    menu.addEventListener("click", () => {
      const open = menu.getAttribute("aria-expanded") !== "true";
      menu.setAttribute("aria-expanded", String(open));
    });
  }

  // The time of this machine, beside the UTC that is shown.
  const tellTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.getAttribute("datetime"));
      if (!Number.isNaN(at.getTime())) time.title = `${at.toLocaleString()} here`;
    }
  };
  tellTimes();

  // What was sent once is not sent again by a second click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // Somebody marks or writes something: nothing is moved under their hands.
  let dragged = null;
  const isBusy = () => {
    const live = document.getElementById("live");
    const selection = document.getSelection();
    const active = document.activeElement;
    return (
      (selection && !selection.isCollapsed) ||
      dragged !== null ||
      (live && live.contains(active) && /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName))
    );
  };

  // Follow what happens, while somebody looks: a browser has few connections to one host.
  const live = document.querySelector("#live[hx-get]");
  if (live && window.EventSource) {
    let source = null;
    const tell = (follows) => {
      document.querySelector("[data-pulse]")?.classList.toggle("alive", follows);
      document.querySelector("[data-stale]").hidden = follows;
    };
    const look = () => isBusy() || body.dispatchEvent(new CustomEvent("changed"));
    const stop = () => {
      if (source) source.close();
      source = null;
    };
    const follow = () => {
      if (document.hidden) return stop();
      if (source) return;
      source = new EventSource("/live");
      source.addEventListener("open", look);
      source.addEventListener("changed", look);
      source.addEventListener("error", () => tell(false));
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    window.addEventListener("pageshow", follow);
    window.addEventListener("pagehide", stop);
    body.addEventListener("htmx:after:swap", (event) => {
      tellTimes();
      tell(event.detail.ctx.response.status < 400);
    });
    body.addEventListener("htmx:error", () => tell(false));
  }

  // Drag across a timeline to zoom in.
  const place = (svg, event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    return point.matrixTransform(svg.getScreenCTM().inverse()).x;
  };
  document.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest && event.target.closest("svg.gantt");
    if (!svg || event.button !== 0 || event.target.closest("a") || location.search.includes("root=")) return;
    const x = place(svg, event);
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    mark.setAttribute("class", "mark");
    mark.setAttribute("y", "0");
    mark.setAttribute("height", svg.viewBox.baseVal.height);
    svg.append(mark);
    dragged = { svg, mark, from: x, to: x };
    event.preventDefault();
  });
  document.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    dragged.to = place(dragged.svg, event);
    dragged.mark.setAttribute("x", Math.min(dragged.from, dragged.to));
    dragged.mark.setAttribute("width", Math.abs(dragged.to - dragged.from));
  });
  document.addEventListener("pointerup", () => {
    if (!dragged) return;
    const { svg, mark, from, to } = dragged;
    dragged = null;
    mark.remove();
    if (Math.abs(to - from) < 8 || location.pathname !== "/timeline") return;
    const { begin, end, left, width } = svg.dataset;
    const at = (x) => {
      const share = (x - Number(left)) / (Number(width) - Number(left) - 4);
      return Number(begin) + Math.min(Math.max(share, 0), 1) * (Number(end) - Number(begin));
    };
    const [first, last] = [at(Math.min(from, to)), at(Math.max(from, to))];
    const asked = new URLSearchParams(location.search);
    asked.set("to", new Date(last * 1000).toISOString());
    asked.set("span", String(Math.max(last - first, 0.01)));
    location.assign(`/timeline?${asked}`);
  });
})();
