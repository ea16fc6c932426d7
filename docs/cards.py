"""Draw the pictures that other sites show when a page is shared, docs/_static/card-*.png, and only when asked to."""

from pathlib import Path

from browser import launch
from playwright.sync_api import sync_playwright

STATIC = Path(__file__).parent / "_static"
CARDS = {
    "en": ("blockbook", "PyTorch models, block by block", "Every output computed, every claim asserted"),
    "zh-CN": ("blockbook 积木书", "PyTorch 模型，一块一块地搭", "每个输出都由运行得来，每个结论都经过验证"),
}
PAGE = """<html lang="{}"><style>
body {{ margin: 0; width: 1200px; height: 630px; box-sizing: border-box; padding: 80px 90px; background: #fdfcf9;
  color: #1d2733; font-family: "Noto Sans", "Noto Sans CJK SC", sans-serif; display: grid;
  grid-template: 1fr auto / 1fr 300px; gap: 0 60px; border-bottom: 18px solid #2b6cb0 }}
h1 {{ font-size: 76px; margin: 30px 0 24px; white-space: nowrap }} p {{ font-size: 44px; margin: 0; line-height: 1.4 }}
footer {{ font-size: 30px; color: #55606d; grid-column: 1 / 3 }} svg {{ width: 300px; align-self: center }}
</style><div><h1>{}</h1><p>{}</p></div>{}<footer>{}</footer></html>"""


def draw() -> None:
    blocks = (STATIC / "favicon.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        tab = browser.new_page(viewport={"width": 1200, "height": 630})
        for language, (title, about, promise) in CARDS.items():
            tab.set_content(PAGE.format(language, title, about, blocks, promise))
            tab.screenshot(path=STATIC / f"card-{language[:2]}.png")
        browser.close()


if __name__ == "__main__":
    draw()
