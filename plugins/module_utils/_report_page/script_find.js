// Copyright (c) 2026 The Even Keel Authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Find steps: what the list and the table of a section say of them holds each of the words.
for (const field of document.querySelectorAll("input[data-finds]")) {
  const section = document.getElementById(field.dataset.finds);
  const found = document.getElementById(`found-${field.dataset.finds}`);
  const hint = found.textContent;
  const items = [...section.querySelectorAll(".moves > li")];
  const rows = [...section.querySelectorAll("details.numbers tbody tr")];
  const text = new Map([...items, ...rows].map((entry) => [entry, entry.textContent.toLowerCase().replace(/\s+/g, " ")]));
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry) => words.every((word) => text.get(entry).includes(word));
    for (const entry of text.keys()) entry.classList.toggle("hidden", !fits(entry));
    for (const list of section.querySelectorAll(".moves")) {
      const empty = [...list.children].every((item) => item.classList.contains("hidden"));
      if (list.previousElementSibling?.matches(".wave")) list.previousElementSibling.classList.toggle("hidden", empty);
    }
    const hits = rows.filter((row) => !row.classList.contains("hidden")).length;
    found.textContent = words.length ? `${hits} of ${rows.length} fit.` : hint;
  });
}
