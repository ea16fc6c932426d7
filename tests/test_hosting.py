"""What a site says when it knows where it is hosted, and that it says nothing of the kind when it does not."""

import re
import subprocess
import tarfile
import tomllib
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import yaml
from bs4 import BeautifulSoup
from pages import ROOT
from test_build import CELLS, Site, files, once, page

pytestmark = [pytest.mark.no_cover, pytest.mark.build]
# as people write them
BASE, REPOSITORY = "https://Example.org/book/", "https://github.com/someone/book.git/"
HOSTED = {"BLOCKBOOK_BASE_URL": BASE, "BLOCKBOOK_REPOSITORY_URL": REPOSITORY}
BARE = dict.fromkeys(HOSTED, "")
PLAIN = "# Plain & simple\n\nIts <first> **paragraph**,\nin two lines.\n"
PAGES = CELLS | {"part/plain": PLAIN, "two": page("Two", "6 * 7") + "\nAfter a cell.\n"}
SITEMAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return where the site is published, with what was published before beside it."""
    return once(tmp_path_factory, worker_id, hosted) / "build" / "html"


def hosted(root: Path) -> None:
    """Build with all addresses, with another host's repository, without any, and with all of them again."""
    site = Site(root, PAGES, languages=("en", "zh"))
    site.build(**HOSTED)
    site.keep("first")
    site.build(**BARE | {"BLOCKBOOK_REPOSITORY_URL": "https://git.example.org/group/team/book"})
    site.keep("elsewhere")
    site.build(**BARE)
    site.keep("bare")
    site.build(**HOSTED)


def soup(site: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")


def alternates(page: BeautifulSoup) -> dict[str, str]:
    return {str(link["hreflang"]): str(link["href"]) for link in page.select("head link[rel=alternate]")}


def test_every_page_has_its_full_addresses_and_a_preview(site: Path) -> None:
    for folder, locale in (("en", "en_US"), ("zh", "zh_CN")):
        for name in ("index", "one", "part/plain"):
            head, url = soup(site, f"{folder}/{name}.html").head, f"https://example.org/book/{folder}/{name}.html"
            assert [link["href"] for link in head.select("link[rel=canonical]")] == [url]
            tags = {tag.get("property") or tag.get("name"): tag["content"] for tag in head.select("meta[content]")}
            assert tags["og:url"] == url
            assert tags["og:locale"] == locale
            assert tags["og:description"] == tags["description"]
            assert tags["og:image"] == f"https://example.org/book/card-{folder}.png"
            assert alternates(head) == {
                "en": url.replace("/zh/", "/en/"),
                "zh-CN": url.replace("/en/", "/zh/"),
                "x-default": "https://example.org/book/" if name == "index" else url.replace("/zh/", "/en/"),
            }
        assert (tags["og:title"], tags["description"]) == ("Plain & simple", "Its <first> paragraph, in two lines.")
        image = (site / f"card-{folder}.png").read_bytes()
        assert (int.from_bytes(image[16:20]), int.from_bytes(image[20:24])) == (1200, 630)
    assert soup(site, "en/two.html").select_one("meta[name=description]")["content"] == "After a cell."
    assert soup(site, "index.html").select_one("link[rel=canonical]")["href"] == "https://example.org/book/"
    assert soup(site, "404.html").base["href"] == "/book/"


def test_robots_find_one_sitemap_of_both_languages(site: Path) -> None:
    assert "Sitemap: https://example.org/book/sitemap.xml" in (site / "robots.txt").read_text().splitlines()
    tree = ElementTree.parse(site / "sitemap.xml").getroot()
    listed = {
        url.find("s:loc", SITEMAP).text: {
            link.get("hreflang"): link.get("href") for link in url.findall("x:link", SITEMAP)
        }
        for url in tree.findall("s:url", SITEMAP)
    }
    names = ("index", "status", "glossary", *PAGES)
    pages = {f"https://example.org/book/{folder}/{name}.html" for folder in ("en", "zh") for name in names}
    assert listed.keys() == pages | {"https://example.org/book/"}
    for url, others in listed.items():
        file = url.removeprefix("https://example.org/book/") or "index.html"
        # what the sitemap says of other languages, the page says too, and each of them exists
        assert others == alternates(soup(site, file))
        assert others.keys() == {"en", "zh-CN", "x-default"}
        assert all(other in listed for other in others.values())


def links(site: Path, name: str) -> dict[str, str]:
    return {str(link.string): str(link["href"]) for link in soup(site, name).select(".page-menu a")}


def test_pages_can_be_run_and_edited_from_branches_that_the_workflow_makes(site: Path, tmp_path: Path) -> None:
    assert list(links(site, "zh/one.html")) == ["在 Colab 中运行", "在 Binder 中运行", "编辑本页"]
    assert list(links(site, "en/one.html")) == ["Run in Colab", "Run in Binder", "Edit this page"]
    # a page without cells
    assert links(site, "en/api.html") == {"Edit this page": "https://github.com/someone/book/edit/main/docs/en/api.md"}
    assert links(site, "en/search.html") == {}
    published = _branch(site, tmp_path)
    for folder in ("en", "zh"):
        colab, binder, edit = links(site, f"{folder}/one.html").values()
        path = colab.removeprefix("https://colab.research.google.com/github/someone/book/blob/notebooks/")
        assert binder.startswith("https://mybinder.org/v2/gh/someone/book/notebooks?labpath=")
        assert path == unquote(binder.partition("=")[2]) == f"{folder}/one.ipynb"
        assert path in published
        source = edit.removeprefix("https://github.com/someone/book/edit/main/")
        assert (site.parents[1] / source).is_file()
    assert {Path(path).suffix for path in published} == {".ipynb", ".yml"}
    assert "git+https://github.com/someone/book\\" in (site / "en" / "one.ipynb").read_text()


def _branch(site: Path, folder: Path) -> set[str]:
    """Do what the workflow does after it has published a site; return what is then in the branch for notebooks."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8"))
    commands = workflow["jobs"]["publish"]["steps"][-1]["run"]
    here = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }

    def run(command: str, where: Path, **environment: str) -> str:
        return subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=where,
            env=here | environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout

    remote, checkout = folder / "remote", folder / "checkout"
    run(f"git init -q --bare {remote} && git init -q -b main {checkout}", folder)
    run(
        f"cp -r {ROOT}/.binder {ROOT}/.gitignore {ROOT}/README.md . && git add . && git remote add origin {remote}",
        checkout,
    )
    run("git -c user.name=a -c user.email=a@b commit -q -m first", checkout)
    for _ in range(2):  # the second replaces the first
        (checkout / "build").mkdir()
        with tarfile.open(checkout / "build" / "artifact.tar", "w") as archive:
            archive.add(site, ".")
        run(commands, checkout, GITHUB_SHA=run("git rev-parse main", checkout).strip())
        run("rm -rf build && git switch -q main && git branch -q -D notebooks", checkout)
    assert run("git rev-list --count notebooks", remote).strip() == "1"
    return set(run("git ls-tree -r --name-only notebooks", remote).split())


def test_binder_gets_what_the_package_needs() -> None:
    environment = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = re.match(r"torch>=([\d.]+),", project["dependencies"][0])[1]
    python = project["requires-python"].removeprefix(">=")
    assert environment["dependencies"] == [f"python={python}", f"pytorch-cpu={lowest}", "matplotlib"]


def test_without_addresses_nothing_needs_them(site: Path) -> None:
    bare = site.parents[1] / "bare"
    plain = files(bare)
    assert files(site).keys() - plain.keys() == {"sitemap.xml", "robots.txt", "card-en.png", "card-zh.png"}
    told = re.compile(rb"example\.org|someone|og:|twitter:|canonical|page-menu|colab|mybinder")
    pages = {name: content for name, content in plain.items() if name.endswith((".html", ".ipynb"))}
    assert [name for name, content in pages.items() if told.search(content)] == []
    assert alternates(soup(bare, "zh/part/plain.html")) == {"en": "../../en/part/plain.html", "zh-CN": "plain.html"}
    assert soup(bare, "zh/part/plain.html").select_one("meta[name=description]")["content"].startswith("Its <first>")


def test_addresses_that_come_back_give_what_they_gave(site: Path) -> None:
    assert files(site) == files(site.parents[1] / "first")


def test_what_is_possible_with_a_repository_depends_on_its_host(site: Path) -> None:
    assert links(site.parents[1] / "elsewhere", "zh/one.html") == {
        "本书源码": "https://git.example.org/group/team/book"
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE", "example.org/book"),
        ("BASE", "ftp://example.org"),
        ("BASE", "https://"),
        ("BASE", "https://example.org/?page=1"),
        ("BASE", "https://example.org/#top"),
        ("BASE", "https://user:secret@example.org/book"),
        ("BASE", 'https://example.org/"><script>'),
        ("REPOSITORY", "git@github.com:someone/book.git"),
        ("REPOSITORY", "https://github.com/someone"),
        ("REPOSITORY", "https://github.com/someone/book/tree/main"),
        ("REPOSITORY", "github.com/someone/book"),
        ("REPOSITORY", "https://token@github.com/someone/book"),
    ],
)
def test_an_address_that_is_none_is_refused(name: str, value: str, tmp_path: Path) -> None:
    rule = {
        "BASE": "BLOCKBOOK_BASE_URL needs the site's address, like https://example.org/book",
        "REPOSITORY": "BLOCKBOOK_REPOSITORY_URL needs a repository's address, like https://github.com/owner/name",
    }[name]
    assert Site(tmp_path, {}).fail(**{f"BLOCKBOOK_{name}_URL": value}) == f"{rule}\n  got: {value}\n"
