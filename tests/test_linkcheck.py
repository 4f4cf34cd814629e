"""Links inside the site."""

from __future__ import annotations

from portal.linkcheck import Links


def broken(site):
    links = Links()
    links.read(site)
    return links.broken({p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()})


def page(folder, html):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(html)


def test_links_that_lead_somewhere_are_fine(tmp_path):
    page(
        tmp_path,
        '<a href="a/?q=1#x">a</a> <a href="https://x.org/">b</a> <a href="#y">c</a> '
        '<img src="p%20q.webp" srcset="p%20q.webp 1w, a/ 2w"> <a href="mailto:x@y">m</a>',
    )
    page(tmp_path / "a", '<a href="..">up</a> <a href="/">root</a>')
    (tmp_path / "p q.webp").touch()
    assert broken(tmp_path) == []


def test_each_broken_link_is_told_once_with_the_page_that_has_it(tmp_path):
    page(tmp_path, '<a href="gone/">a</a> <a href="gone/">again</a> <img src="no.webp">')
    page(tmp_path / "b", '<a href="../gone/">a</a> <a href="a&amp;b.html">e</a>')
    problems = broken(tmp_path)
    assert [(p.where, p.what.split(",")[0]) for p in problems] == [
        ("b/index.html", "Leads to b/a&b.html"),
        ("b/index.html", "Leads to gone"),
        ("index.html", "Leads to no.webp"),
    ]
