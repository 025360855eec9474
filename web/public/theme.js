// Sets the theme before the first paint. A file of its own, because the content security policy allows no inline script.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem('slipway.theme');
  } catch {
    // storage may be switched off
  }
  if (choice === 'light' || choice === 'dark') document.documentElement.dataset.theme = choice;
})();
