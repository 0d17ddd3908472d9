(() => {
  // Numbers that are found by sliding; without scripts, they are typed.
  for (const input of document.querySelectorAll("input[data-slider]")) {
    const output = input.nextElementSibling;
    const show = () => {
      output.textContent = input.value + input.dataset.unit;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.max = Math.max(input.dataset.slider, input.value);
    input.type = "range";
    input.addEventListener("input", show);
    addEventListener("pageshow", show);
    output.hidden = false;
    show();
  }
})();
