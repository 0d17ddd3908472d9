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
})();
