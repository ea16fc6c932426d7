// Sphinx's own file makes a function from a string, which the policy of the pages forbids.
Documentation.PLURAL_EXPR = () => 0;
Documentation.LOCALE = "zh_CN";
Documentation.TRANSLATIONS = {
  ", in ": "，见",
  "Hide Search Matches": "隐藏搜索高亮",
  "Preparing search...": "正在准备搜索……",
  "Search Results": "搜索结果",
  "Search finished, found one page matching the search query.": ["找到 ${resultCount} 处。"],
  "Searching": "正在搜索",
  "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.": "没有找到。请换一个词，或者减少字数。",
};
