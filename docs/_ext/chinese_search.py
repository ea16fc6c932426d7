"""Search for Chinese: Sphinx 9.0's own needs a stemmer that it does not ship and does not segment queries.

Han text is indexed as single characters and as pairs of neighbours, and a query is cut the same
way in the browser, so that a phrase of any length finds the pages that hold all its pairs.
"""

import re

from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese

HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
WORDS = re.compile(rf"[{HAN}]+|[a-zA-Z0-9_]+")


class SearchHan(SearchChinese):
    """Han characters and pairs of them; anything else as words."""

    lang = "zh"
    js_stemmer_rawcode = None
    js_stemmer_code = "var Stemmer = function () { this.stemWord = (word) => word.toLowerCase(); };"
    js_splitter_code = rf"""
function splitQuery(query) {{
  return [...query.matchAll(/[{HAN}]+|[a-zA-Z0-9_]+/g)].flatMap(([run]) => {{
    if (/^[a-zA-Z0-9_]/.test(run) || run.length === 1) return [run];
    return Array.from({{ length: run.length - 1 }}, (_, i) => run.slice(i, i + 2));
  }});
}}
"""

    def split(self, text: str) -> list[str]:
        terms = []
        for run in WORDS.findall(text):
            if run.isascii():
                terms.append(run)
            else:
                terms += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
        return terms

    def stem(self, word: str) -> str:
        return word.lower()

    def word_filter(self, word: str) -> bool:
        return word.lower() not in self.stopwords


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(SearchHan)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
