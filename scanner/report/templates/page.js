"use strict";
(() => {
  const root = document.documentElement;
  const words = JSON.parse(document.getElementById("words").textContent);
  const languages = [...document.querySelectorAll("[data-language]")];
  const endpoints = [...document.querySelectorAll("details.endpoint")];
  const chunks = [...document.querySelectorAll("script.chunk")].map((one) => () => inflate(one));
  const text = document.getElementById("find-text");
  const status = document.getElementById("find-status");

  function translate(part) {
    for (const one of part.querySelectorAll("[data-t]")) {
      one.textContent = words[one.dataset.t][root.lang];
    }
  }

  function speak(chosen) {
    root.lang = chosen.dataset.language;
    root.dir = chosen.dataset.direction;
    translate(document);
    for (const one of document.querySelectorAll("[data-label]")) {
      one.setAttribute("aria-label", words[one.dataset.label][root.lang]);
    }
    for (const one of languages) {
      one.setAttribute("aria-pressed", String(one === chosen));
    }
  }

  // Of many endpoints the evidence is packed, some of them together: a JSON list of HTML, compressed by zlib.
  async function inflate(chunk) {
    const octets = Uint8Array.from(atob(chunk.textContent), (one) => one.charCodeAt(0));
    const stream = new Blob([octets]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  async function unpack(holder) {
    const place = holder.querySelector("[data-chunk]");
    if (!place) return;
    const {chunk, at} = place.dataset;
    const unpacked = chunks[chunk]();
    chunks[chunk] = () => unpacked;
    const part = document.createElement("template");
    part.innerHTML = (await unpacked)[at];
    translate(part.content);
    place.replaceWith(part.content);
  }

  function find() {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const one of endpoints) {
      const fits = !status.value || one.dataset.status === status.value;
      one.hidden = !(fits && one.firstElementChild.textContent.toLowerCase().includes(wanted));
      shown += !one.hidden;
    }
    for (const one of document.querySelectorAll("section.provider")) {
      one.hidden = !one.querySelector("details:not([hidden])");
    }
    document.getElementById("find-count").value = shown;
  }

  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    const holder = target && target.closest("details.endpoint");
    if (!holder) return;
    if (holder.hidden) {
      text.value = status.value = "";
      find();
    }
    holder.open = true;
    target.scrollIntoView();
    holder.firstElementChild.focus({preventScroll: true});
  }

  function open(all) {
    for (const one of endpoints) {
      if (!one.hidden) one.open = all;
    }
  }

  for (const one of endpoints) one.addEventListener("toggle", () => unpack(one));
  for (const one of languages) one.addEventListener("click", () => speak(one));
  text.addEventListener("input", find);
  status.addEventListener("change", find);
  text.form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("open-all").addEventListener("click", () => open(true));
  document.getElementById("close-all").addEventListener("click", () => open(false));
  addEventListener("hashchange", reveal);
  root.classList.add("scripted");
  reveal();
})();
