"""KaTeX inside the build: V8 from a wheel renders formulas where sphinxcontrib-katex would start a server.

Its server needs a node binary, refuses a connection now and then, and outlives a build that is killed.
"""

from functools import cache
from pathlib import Path
from typing import Any

import sphinxcontrib.katex
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx


@cache
def _engine() -> MiniRacer:
    engine = MiniRacer()
    engine.eval(Path(sphinxcontrib.katex.__file__).with_name("katex.min.js").read_text(encoding="utf-8"))
    return engine


def render(latex: str, options: dict[str, Any] | None = None) -> str:
    return _engine().call("katex.renderToString", latex, {"throwOnError": True, **(options or {})})


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinxcontrib.katex")
    sphinxcontrib.katex.render_latex = render
    return {"parallel_read_safe": True, "parallel_write_safe": True}
