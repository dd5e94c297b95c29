# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx settings of the site that `./check docs` builds."""

from __future__ import annotations

import re

from docutils import nodes

project = "Even Keel"
copyright = "2026 The Even Keel Authors"  # noqa: A001
extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinx_design"]
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = "Even Keel"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True}
html_show_sourcelink = False
# Guides for docs.ansible.com, which are read by antsibull-docs.
exclude_patterns = ["docsite"]
myst_heading_anchors = 3
nitpicky = True
pygments_style = "ansible"

# The reference pages point at these of Ansible's own pages; a build asks no server where they are.
ANSIBLE_PAGES = {
    "common_return_values": "reference_appendices/common_return_values.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
}
OTHER_COLLECTION = re.compile(
    r"ansible_collections\.(ansible|community)\.(\w+)\.(\w+_(?:module|callback|lookup))"
)


def ansible_page(_app, _environment, reference, content):
    """The link to a page of Ansible's documentation, or None for any other label."""
    target = reference["reftarget"]
    if reference.get("reftype") == "envvar" and target.startswith("ANSIBLE_"):
        page = f"{ANSIBLE_PAGES['ansible_configuration_settings']}#envvar-{target}"
    elif other := OTHER_COLLECTION.fullmatch(target):
        page = f"collections/{'/'.join(other.groups())}.html"
    else:
        page = ANSIBLE_PAGES.get(target)
    if page is None:
        return None
    link = f"https://docs.ansible.com/ansible/latest/{page}"
    return nodes.reference("", "", content, refuri=link, internal=False)


def setup(app):
    """Called by Sphinx."""
    app.connect("missing-reference", ansible_page)
