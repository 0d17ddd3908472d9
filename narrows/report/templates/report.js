(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const box = document.getElementById("filter"), jump = document.getElementById("jump"), said = document.getElementById("said");
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  const filter = () => {
    const wanted = box.value.trim().toLowerCase();
    let count = 0;
    for (const row of all("tr[data-name]")) {
      row.hidden = !`${row.dataset.name} ${row.dataset.verdict}`.toLowerCase().includes(wanted);
      count += row.hidden ? 0 : 1;
    }
    for (const name of all("svg [data-name]")) {
      const hit = `${name.dataset.name} ${name.dataset.verdict}`.toLowerCase().includes(wanted);
      name.classList.toggle("dim", !hit);
    }
    for (const stage of all("details.stage")) {
      const shown = stage.querySelector("tr[data-name]:not([hidden]), svg [data-name]:not(.dim)");
      stage.hidden = !shown;
      if (wanted && shown) stage.open = true;
    }
    if (wanted) document.getElementById("layers").scrollIntoView();
    said.textContent = wanted ? `${count} of ${all("tr[data-name]").length} layers` : "";
  };
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
  box.addEventListener("input", filter);
  jump.addEventListener("change", () => { if (jump.value) { box.value = ""; filter(); location.hash = jump.value; reveal(); } });
  for (const button of all("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
  document.querySelector(".find").hidden = false;
  reveal();
})();
