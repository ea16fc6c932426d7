// One book of the pages of a language; docs/dist.py runs this in the browser that prints it.
// The site's own HTML is all it reads, so that the book shows what the site shows.
async (words) => {
  const slug = (page) => page.replaceAll("/", "-");
  // what is named in a page keeps its name behind the page's; XML has fewer letters for names than HTML
  const place = (page, id) => (id ? `${slug(page)}.${id.replace(/[^\p{L}\p{N}._-]/gu, "-")}` : slug(page));
  const address = (page) => new URL(`${page}.html`, document.baseURI);
  const read = async (page) => new DOMParser().parseFromString(await (await fetch(address(page))).text(), "text/html");
  const make = (tag, name, ...content) => {
    const made = document.createElement(tag);
    made.className = name;
    made.append(...content);
    return made;
  };

  const index = await read("index");
  const pages = [{ page: "index", part: "" }];
  let part = "";
  for (const entry of index.querySelectorAll("nav.bd-docs-nav :is(.caption, .toctree-l1 > a)")) {
    if (entry.matches(".caption")) part = entry.textContent;
    else pages.push({ page: entry.getAttribute("href").replace(/\.html$/, ""), part });
  }
  const known = new Map(pages.map(({ page }) => [address(page).pathname, page]));

  const chapter = async ({ page, part }) => {
    const article = (page === "index" ? index : await read(page)).querySelector("article");
    const title = article.querySelector("h1");
    for (const tool of article.querySelectorAll(".headerlink, style, script, button, svg metadata")) tool.remove();
    for (const fold of article.querySelectorAll("details.hide")) {
      fold.querySelector("summary").remove();
      fold.replaceWith(make("div", "check", make("p", "check-title", words.check), ...fold.childNodes));
    }
    for (const fold of article.querySelectorAll("details")) fold.open = true;
    // obsolete in HTML 5
    for (const table of article.querySelectorAll("table[border], table[align]")) {
      table.removeAttribute("border");
      table.removeAttribute("align");
    }
    const taken = new Set();
    for (const one of article.querySelectorAll("[id]")) {
      const id = place(page, one.id);
      if (taken.has(id)) one.removeAttribute("id");
      else one.id = id;
      taken.add(id);
    }
    for (const one of article.querySelectorAll("svg *")) {
      for (const { name, value } of [...one.attributes]) {
        const named = value.replace(/^#(.+)|(url\(#)(.+?)\)/, (_, id, url, inner) =>
          id ? `#${place(page, id)}` : `${url}${place(page, inner)})`);
        if (named !== value && one.getAttribute(name) === value) one.setAttribute(name, named);
      }
    }
    for (const link of article.querySelectorAll("a[href]")) {
      const url = new URL(link.getAttribute("href"), address(page));
      if (url.origin !== location.origin) continue;
      const target = known.get(url.pathname);
      if (target) link.setAttribute("href", `#${place(target, decodeURIComponent(url.hash.slice(1)))}`);
      else link.removeAttribute("href");
    }
    const made = make("section", "chapter");
    made.id = slug(page);
    made.style.page = slug(page);
    if (part) title.before(make("p", "part", part));
    made.append(...article.childNodes);
    return { made, page, part, title: title.textContent };
  };
  const chapters = await Promise.all(pages.map(chapter));

  // for e-readers: formulas as MathML, since few of them place what KaTeX makes of one; links between files
  const files = chapters.map(({ made, page, part, title }) => {
    const copy = made.cloneNode(true);
    copy.removeAttribute("style");
    for (const formula of copy.querySelectorAll(".katex")) {
      const math = formula.querySelector("math");
      const [shown, source] = math.querySelector("semantics").children;
      math.setAttribute("alttext", source.textContent);
      math.querySelector("semantics").replaceWith(shown);
      formula.replaceWith(math);
    }
    for (const link of copy.querySelectorAll("a[href^='#']")) {
      const [file, id] = link.hash.slice(1).split(/\.(.*)/s);
      link.setAttribute("href", `${file}.xhtml${id ? `#${file}.${id}` : ""}`);
    }
    return {
      name: slug(page), part, title,
      headings: [...made.querySelectorAll("h1, h2, h3")].map(({ textContent }) => textContent),
      mathml: Boolean(copy.querySelector("math")), svg: Boolean(copy.querySelector("svg")),
      body: new XMLSerializer().serializeToString(copy),
    };
  });

  // on paper: formulas as KaTeX draws them, and who copies one should not get it twice
  for (const { made } of chapters) {
    for (const copy of made.querySelectorAll(".katex-mathml")) copy.remove();
  }
  const list = make("ol", "");
  for (const [number, { page, part, title }] of chapters.entries()) {
    if (part && part !== chapters[number - 1].part) list.append(make("li", "toc-part", part));
    const link = make("a", "", make("span", "toc-title", title), make("span", "toc-page"));
    link.href = `#${slug(page)}`;
    list.append(make("li", "", link));
  }
  document.body.append(
    make("nav", "toc", make("p", "toc-heading", words.contents), list),
    ...chapters.map(({ made }) => made),
  );
  // the chapter's title above each of its pages
  // every link leads somewhere, and to one place
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  const dead = [...document.querySelectorAll("a[href^='#']")].filter(({ hash }) => !ids.includes(decodeURIComponent(hash.slice(1))));
  const twice = ids.filter((id, number) => ids.indexOf(id) !== number);
  if (dead.length || twice.length) throw new Error(`dead links: ${dead.map(({ hash }) => hash)}; names used twice: ${twice}`);
  document.head.append(make("style", "", ...chapters.map(({ page, title }) =>
    `@page ${slug(page)} { @top-left { content: ${JSON.stringify(title)}; } }\n`)));
  await document.fonts.ready;
  // half a page is too much to leave white before a box that must not be cut
  for (const cell of document.querySelectorAll(".cell")) cell.classList.toggle("long", cell.offsetHeight > 380);
  return files;
}
