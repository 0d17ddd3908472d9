(() => {
  // SHA-256, a MiB at a time: the browser's own takes a whole file into memory, and needs TLS.
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x % 1) * 2 ** 32) | 0, turn = (x, by) => (x >>> by) | (x << (32 - by));
  const roots = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));
  const cubic = Int32Array.from(primes, (p) => fraction(Math.cbrt(p))), w = new Int32Array(64);
  const add = (hash, view) => {
    for (let at = 0; at < view.byteLength; at += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = hash;
      for (let i = 0; i < 64; i++) {
        const s = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + cubic[i] + w[i]) | 0;
        const t = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g; g = f; f = e; e = (d + s) | 0; d = c; c = b; b = a; a = (s + t) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((x, i) => { hash[i] += x; });
    }
  };
  const sha256 = async (blob, told) => {
    const hash = roots.slice(), end = new DataView(new ArrayBuffer(72 - ((blob.size + 8) % 64)));
    end.setUint8(0, 128);
    end.setBigUint64(end.byteLength - 8, BigInt(blob.size) * 8n);
    const padded = new Blob([blob, end]);
    for (let at = 0; at < padded.size; at += 1 << 20) {
      add(hash, new DataView(await padded.slice(at, at + (1 << 20)).arrayBuffer()));
      if (told) told(at / padded.size);
    }
    return Array.from(hash, (x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  };
  const base64 = (hex) => btoa(hex.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16))));

  // What may pass is tried again, later each time, for two minutes.
  const patiently = async (once) => {
    for (let pause = 1; ; pause *= 2) {
      try { return await once(); } catch (error) {
        if (!error.passes || pause > 64) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(pause, error.after || 0)));
      }
    }
  };
  const failed = (request, method) => {
    let text = `The server answered with status ${request.status}.`;
    try { text = JSON.parse(request.responseText).detail; } catch { /* from a proxy, perhaps */ }
    const passes = [408, 429, 502, 503, 504].includes(request.status) || (method === "PUT" && request.status === 412);
    return Object.assign(new Error(text), { passes, after: +request.getResponseHeader("Retry-After") });
  };

  // A file dropped on the form, how much of it has been sent, and what was wrong with it.
  for (const form of document.querySelectorAll("form[data-upload]")) {
    const drop = form.querySelector(".drop"), input = form.querySelector("[type=file]"), button = form.querySelector("button.main");
    const progress = form.querySelector("[data-progress]"), bar = progress.querySelector("progress"), said = progress.querySelector("[role=status]");
    const wrong = form.querySelector("[data-wrong]");
    let stopping, kept;
    const show = (share, text) => { bar.value = share; said.textContent = text; };
    const sent = (share) => show(share, share < 1 ? `${Math.floor(100 * share)} %` : "Sent; the server stores it…");
    const end = (text) => { progress.hidden = true; button.disabled = false; wrong.textContent = text; wrong.hidden = !text; };

    const ask = (method, url, body, told, headers) => new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries({ Accept: "application/json", ...headers })) request.setRequestHeader(name, value);
      if (told) request.upload.onprogress = ({ loaded, total }) => told(loaded / total);
      request.onload = () => (request.status < 400 ? resolve(request) : reject(failed(request, method)));
      request.onerror = () => reject(Object.assign(new Error("The server can't be reached, or ended the connection."), { passes: true }));
      stopping.signal.throwIfAborted();
      stopping.signal.addEventListener("abort", () => request.abort());
      request.send(body);
    });

    const inParts = async (file) => {
      const hash = await sha256(file, (share) => show(share, "Reading it…")), fields = new FormData(form);
      fields.delete("file");
      const asked = new URLSearchParams([...fields, ["kind", form.dataset.upload], ["filename", file.name], ["size", file.size], ["sha256", hash]]);
      const session = JSON.parse((await patiently(() => ask("POST", "/uploads", asked))).responseText);
      kept = " What has arrived stays: send the same file again to go on.";
      const arrived = new Set(session.received), shares = Array.from({ length: session.parts }, (_, n) => +arrived.has(n));
      const missing = session.state === "open" ? [...shares.keys()].filter((n) => !arrived.has(n)) : [];
      const work = async () => {
        for (let n; (n = missing.shift()) !== undefined;) {
          const part = file.slice(n * session.part_size, (n + 1) * session.part_size);
          const headers = { "Content-Digest": `sha-256=:${base64(await sha256(part))}:` };
          const told = (share) => { shares[n] = share; sent(shares.reduce((a, b) => a + b) / shares.length); };
          await patiently(() => ask("PUT", `/uploads/${session.id}/parts/${n}`, part, told, headers));
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      return patiently(() => ask("POST", `/uploads/${session.id}/complete`));
    };

    form.querySelector("[data-hint]").hidden = false;
    progress.querySelector("button").onclick = () => stopping.abort();
    const over = (event) => { event.preventDefault(); drop.classList.toggle("over", event.type === "dragover"); };
    for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, over);
    drop.addEventListener("drop", (event) => { if (event.dataTransfer.files.length) input.files = event.dataTransfer.files; });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [file] = input.files;
      end("");
      progress.hidden = false;
      button.disabled = true;
      kept = "";
      stopping = new AbortController();
      const stopped = new Promise((_, reject) => { stopping.signal.onabort = () => reject(new Error("Stopped.")); });
      try {
        const made = file.size > form.dataset.large ? inParts(file) : ask("POST", form.action, new FormData(form), sent);
        location.href = (await Promise.race([made, stopped])).responseURL;
      } catch (error) {
        end(error.message + kept);
        stopping.abort(); // what is still sent of the other parts
      }
    });
  }
})();
