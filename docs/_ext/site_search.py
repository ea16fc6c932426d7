"""Search: Chinese, and in both languages the page first that is most about the words asked for.

Sphinx 9.0's own Chinese needs a stemmer that it does not ship and does not segment queries.

Han text is indexed as single characters and as pairs of neighbours, and a query is cut the same
way in the browser, so that a phrase of any length finds the pages that hold all its pairs. Characters
that carry grammar end a word, so that a question finds what it is about; numbers are left out.
"""

import json
import re
from collections import Counter
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese

HAN = r"(?:(?![的了着吗呢吧么什怎是不也都就而这那它])[\u3400-\u4dbf\u4e00-\u9fff])+"
LATIN = "[a-zA-Z_][a-zA-Z0-9_]*"
WORDS = re.compile(f"{HAN}|{LATIN}")


class SearchHan(SearchChinese):
    """Han characters and pairs of them; anything else as words."""

    lang = "zh"
    js_stemmer_rawcode = None
    js_stemmer_code = "var Stemmer = function () { this.stemWord = (word) => word.toLowerCase(); };"
    js_splitter_code = rf"""
function splitQuery(query) {{
  const {{ terms, titleterms }} = Search._index;
  const known = (pair) => pair !== undefined && (pair in terms || pair in titleterms);
  return [...query.normalize("NFKC").matchAll(/{HAN}|{LATIN}/g)].flatMap(([run]) => {{
    if (/^{LATIN}/.test(run) || run.length === 1) return [run];
    const pairs = Array.from({{ length: run.length - 1 }}, (_, i) => run.slice(i, i + 2));
    // two words side by side may stand apart in the text
    return pairs.filter((pair, i) => known(pair) || !known(pairs[i - 1]) || !known(pairs[i + 1]));
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


def add_homes(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Tell the search page which teaching page each word is at home in."""
    if pagename != "search":
        return
    lang, env = app.builder.indexer.lang, app.env
    # most words are said again and again
    stem = cache(lang.stem)

    def words(text: str) -> list[str]:
        return [stem(word) for word in lang.split(text.lower())]

    counts: dict[str, Counter[str]] = {}
    for name in sorted(name for name in env.found_docs if "/" in name):
        page = env.get_doctree(name)
        # what the title says weighs as much as twenty times in the text
        counts[name] = Counter(words(page.astext()) + 20 * words(next(page.findall(nodes.title)).astext()))
    for entry in env.get_doctree("glossary").findall(nodes.definition_list_item):
        # and so does a term whose entry in the glossary refers to the page
        named = words(" ".join(node.astext() for kind in (nodes.term, nodes.literal) for node in entry.findall(kind)))
        for link in entry.findall(pending_xref):
            home = env.domains.standard_domain.anonlabels.get(link["reftarget"], ("",))[0]
            if home in counts:
                counts[home].update(dict.fromkeys(named, max(1, 20 // len(named))))
    homes: dict[str, list[str]] = {}
    for word in sorted(set().union(*counts.values())):
        home = max(counts, key=lambda name: counts[name][word])
        if counts[home][word] > 2:
            homes.setdefault(home, []).append(word)
    context["homes"] = json.dumps({name: " ".join(words) for name, words in homes.items()}, ensure_ascii=False)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(SearchHan)
    app.connect("html-page-context", add_homes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
