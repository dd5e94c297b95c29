# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx settings of the site that `./check docs` builds."""
from __future__ import annotations

project = "Even Keel"
copyright = "2026 The Even Keel Authors"  # noqa: A001
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["README.md"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1080px", "fixed_sidebar": True, "description": "Clusters kept level"}
html_show_sourcelink = False
myst_heading_anchors = 3
nitpicky = True
pygments_style = "ansible"
