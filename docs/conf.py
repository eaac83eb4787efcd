"""The documentation site: pip install --group docs && sphinx-build -W docs build/docs"""

import fastproc

project = "fastproc"
author = "The fastproc developers"
copyright = author
release = version = fastproc.__version__

extensions = [
    "myst_nb",  # the pages' Markdown, with myst_parser, and the lesson
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
highlight_language = "none"  # of blocks that name no language: pictures of letters
templates_path = ["_templates"]

# Links to headings, as GitHub makes them.
myst_heading_anchors = 3
nb_execution_mode = "off"  # the tests run the lesson, under each start method

# In the docstrings `name` is a link where there is such a name, else it is only set apart.
default_role = "autolink"
autodoc_typehints = "none"  # numpydoc's sections say the types, for readers
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # they are on the class's page, which lists them itself

html_theme = "pydata_sphinx_theme"
html_title = "fastproc"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    # The pages with the widest tables have all the width.
    "secondary_sidebar_items": {"**": ["page-toc"], "benchmarks": [], "pools": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False
