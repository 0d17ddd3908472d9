(() => {
  // What is live: loads its part of the page again when the server tells of an event, and every 2 s.
  const live = document.querySelector("[data-live]");
  if (live) {
    let stream = null, loading = false, again = false;
    const load = async () => {
      again = loading;
      if (loading || document.hidden) return;
      loading = true;
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
        if (!fresh) return location.reload(); // it has ended, or nobody is signed in any more
        const parts = [live, fresh].map((one) => [...one.querySelectorAll("[data-part]")]);
        // Only what changed, so that the rest is not read aloud again.
        parts[0].forEach((part, i) => { if (part.innerHTML !== parts[1][i].innerHTML) part.innerHTML = parts[1][i].innerHTML; });
      } catch { /* the server does not answer: the next time, perhaps */ } finally { loading = false; }
      if (again) load();
    };
    // A hidden page holds no stream: browsers have few connections to a server.
    const watch = () => {
      if (stream) stream.close();
      stream = null;
      if (document.hidden) return;
      load();
      if (!live.dataset.events) return;
      stream = new EventSource(live.dataset.events);
      for (const kind of ["state", "cancel_requested", "run"]) stream.addEventListener(kind, load);
    };
    document.addEventListener("visibilitychange", watch);
    setInterval(load, 2000);
    watch();
  }

  // Uploads: a file dropped on the form, how much of it has been sent, and what was wrong with it.
  for (const form of document.querySelectorAll("form[data-upload]")) {
    const drop = form.querySelector(".drop"), file = form.querySelector("[type=file]"), send = form.querySelector("button.main");
    const progress = form.querySelector("[data-progress]"), bar = progress.querySelector("progress"), said = progress.querySelector("[role=status]");
    const stop = progress.querySelector("button"), wrong = form.querySelector("[data-wrong]");
    const over = (event) => { event.preventDefault(); drop.classList.toggle("over", event.type === "dragover"); };
    form.querySelector("[data-hint]").hidden = false;
    for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, over);
    drop.addEventListener("drop", (event) => { if (event.dataTransfer.files.length) file.files = event.dataTransfer.files; });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const request = new XMLHttpRequest();
      const end = (text) => { progress.hidden = true; send.disabled = false; wrong.textContent = text; wrong.hidden = !text; };
      end("");
      progress.hidden = false;
      send.disabled = true;
      stop.onclick = () => request.abort();
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      request.upload.onprogress = ({ loaded, total }) => {
        bar.value = loaded / total;
        said.textContent = loaded < total ? `${Math.floor((100 * loaded) / total)} %` : "Sent; the server stores it…";
      };
      request.onload = () => {
        if (request.status < 400) { location.href = request.responseURL; return; }
        let problem = null;
        try { problem = JSON.parse(request.responseText); } catch { /* from a proxy, perhaps */ }
        end(problem ? problem.detail : `The server answered with status ${request.status}.`);
      };
      request.onerror = () => end("The server can't be reached, or ended the connection.");
      request.onabort = () => end("Stopped.");
      request.send(new FormData(form));
    });
  }
})();
