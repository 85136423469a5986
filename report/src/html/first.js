"use strict";
// Before anything is drawn: the language that the reader chose last time, else the browser's.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("cityunion-report-language"); } catch { /* Without storage a page only forgets. */ }
  const language = (chosen ?? navigator.language).toLowerCase();
  document.documentElement.lang = language.startsWith("zh") ? "zh-CN" : "en";
})();
