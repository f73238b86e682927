"use strict";
// Fetches the parts that have changed and puts them in place: nothing flickers, and the reader stays where they are.
const EVERY = 2000; // ms
const shown = new Map();
const connection = document.getElementById("connection");
let tag = "";

function place(parts) {
  for (const [name, html] of Object.entries(parts)) {
    const element = document.getElementById(name);
    if (element && shown.get(name) !== html) {
      element.innerHTML = html;
      shown.set(name, html);
    }
  }
}

async function refresh() {
  try {
    const answer = await fetch("state", { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 200) {
      const state = await answer.json();
      if (state.is_final) {
        location.reload(); // the page that is on disk now
        return;
      }
      tag = answer.headers.get("ETag") || "";
      document.title = state.title;
      place(state.parts);
      connection.textContent = state.note;
    } else if (answer.status !== 304) {
      throw new Error(String(answer.status));
    }
  } catch {
    connection.textContent = "The command has ended or cannot be reached: this is the last that it said.";
    tag = "";
  }
  setTimeout(refresh, EVERY);
}

refresh();
