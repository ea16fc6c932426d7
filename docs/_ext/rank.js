// The page that is most about the words asked for comes first; Sphinx only knows which pages hold them.
// conf.py gives this file to Sphinx, which puts it into language_data.js.
let asked, about;

Scorer.score = ([doc, , anchor, , score, , kind]) => {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  if (query !== asked) [asked, about] = [query, weigh(query)];
  if (kind === "index") return score / 5; // a glossary entry is a full hit to Sphinx
  // an object of exactly this name is what was meant
  if (kind === "object") return score > Scorer.objNameMatch ? 100 : score;
  return anchor ? score : score + 40 * (about[doc] ?? 0);
};

// How much of the query each page is about, rarer words counting more.
function weigh(query) {
  const homes = JSON.parse(document.getElementById("homes").textContent);
  const words = [...Search._parseQuery(query)[1]];
  const { terms: inText, titleterms: inTitles } = Search._index;
  const rarity = (word) => 1 / new Set([inText[word] ?? [], inTitles[word] ?? []].flat()).size;
  const known = words.filter((word) => Object.hasOwn(inText, word) || Object.hasOwn(inTitles, word));
  const all = known.reduce((sum, word) => sum + rarity(word), 0);
  return Object.fromEntries(Object.entries(homes).map(([doc, terms]) => {
    const about = new Set(terms.split(" "));
    return [doc, known.filter((word) => about.has(word)).reduce((sum, word) => sum + rarity(word), 0) / all];
  }));
}
