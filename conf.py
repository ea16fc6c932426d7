"""One Sphinx configuration for both languages; docs/build.py runs it once for each."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

import hosting  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.config import Config  # noqa: E402

project = "blockbook"
author = "the blockbook authors"
copyright = "the blockbook authors. Prose CC BY 4.0, code MIT"  # noqa: A001
version = release = version_of("blockbook")
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "code_links",
    "execution",
    "formulas",
    "notebooks",
    "page_frame",
    "proof",
    "rebuild",
    "site_search",
]
# what a page can show depends on these too, and Sphinx compares configuration values
inputs_digest = looks_digest = ""
nitpicky = True
# no network when the book is built
intersphinx_mapping = {
    "python": ("https://docs.python.org/3.11/", "../_ext/inventories/python.inv"),
    "torch": ("https://docs.pytorch.org/docs/2.13/", "../_ext/inventories/torch.inv"),
}

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 60
nb_output_stderr = "error"
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_custom_sections = ["Shape", "Source"]

# code only
copybutton_selector = "div.highlight pre:not(div.cell_output pre)"
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

katex_prerender = True
katex_css_path = "katex/katex.min.css"

html_theme = "sphinx_book_theme"
html_static_path = ["docs/_static"]
templates_path = ["docs/_templates"]
html_css_files = ["blockbook.css"]
html_js_files = ["blockbook.js"]
html_search_scorer = "docs/_ext/rank.js"
html_favicon = "docs/_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "article_header_end": ["lang-switch.html", "notebook-link.html", "page-links.html", "article-header-buttons.html"],
    "navbar_persistent": [],
    "primary_sidebar_end": ["notebooks-link.html"],
    "show_navbar_depth": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
html_sidebars = {"**": ["home-link.html", "search-button-field.html", "sbt-sidebar-nav.html"]}

INTERFACE = {
    "en": {
        "html_title": "blockbook",
        "search_bar_text": "Search the book",
        "nb_code_prompt_show": "Show the check",
        "nb_code_prompt_hide": "Hide the check",
    },
    "zh_CN": {
        "html_title": "blockbook 积木书",
        "author": "blockbook 的作者们",
        "copyright": "blockbook 的作者们。文字 CC BY 4.0，代码 MIT",
        "search_bar_text": "搜索全书",
        "nb_code_prompt_show": "展开验证",
        "nb_code_prompt_hide": "收起验证",
    },
}


def set_language(app: Sphinx, config: Config) -> None:
    for name, value in INTERFACE[config.language].items():
        (config.html_theme_options if name == "search_bar_text" else config)[name] = value
    if hosting.BASE_URL:
        config.html_baseurl = f"{hosting.BASE_URL}/{Path(app.srcdir).name}/"


def setup(app: Sphinx) -> None:
    app.add_config_value("inputs_digest", "", "env")
    app.add_config_value("looks_digest", "", "html")
    app.connect("config-inited", set_language, priority=0)
