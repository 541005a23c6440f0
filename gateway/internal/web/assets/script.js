// Every page works without this script. It searches while the user types, copies shell lines and tells local times.
"use strict";

for (const form of document.querySelectorAll("form[data-live]")) {
  const parts = form.dataset.live.split(" ");
  let timer = 0;
  let running = null;

  const search = async () => {
    running?.abort();
    const mine = (running = new AbortController());
    const url = form.action + "?" + new URLSearchParams(new FormData(form));
    try {
      const answer = await fetch(url, { signal: mine.signal });
      if (!answer.ok || answer.redirected) {
        form.submit(); // the sign-in has ended, or the gateway says why it cannot answer
        return;
      }
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine.signal.aborted) return;
      for (const id of parts) {
        const part = found.getElementById(id);
        // The text alone is changed where a screen reader listens: a new element would not be read.
        if (part && id === "count") document.getElementById(id).textContent = part.textContent;
        else if (part) document.getElementById(id).replaceWith(document.adoptNode(part));
      }
      history.replaceState(null, "", url);
      improve();
    } catch (err) {
      if (err.name !== "AbortError") form.submit();
    }
  };

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 200);
  });
}

// improve adds what needs a script to the page, or to the part of it that is new.
function improve() {
  for (const line of document.querySelectorAll("code.line:not([data-copy])")) {
    line.dataset.copy = "";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy quiet";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy " + (line.classList.contains("wide") ? "this line" : line.textContent.trim()));
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(line.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(line);
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    line.after(button);
  }
  if (matchMedia("(min-width: 60rem)").matches) { // there is room for the filters
    for (const facet of document.querySelectorAll("details.facet")) facet.open = true;
  }
  for (const time of document.querySelectorAll("time:not([title])")) {
    time.title = new Date(time.dateTime).toLocaleString() + " here";
  }
}

improve();
