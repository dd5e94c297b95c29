/* Copyright (c) 2026 The Even Keel Authors
   GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later */
/* All times of the page are in UTC; hovering shows them by the clock of whoever looks. */
(() => {
  "use strict";
  const local = (text) => {
    const moment = new Date(text);
    return Number.isNaN(moment.getTime())
      ? ""
      : moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) + " here";
  };
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = local(time.dateTime);
  }
  for (const mark of document.querySelectorAll("[data-at] > title")) {
    mark.textContent += ` (${local(mark.parentNode.dataset.at)})`;
  }
})();
