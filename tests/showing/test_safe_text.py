from html import unescape

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from geonb.showing.safe_text import UNSHOWABLE, safe_html


@given(st.text())
def test_html_shows_every_text_as_it_is_but_for_control_characters(text):
    shown = unescape(safe_html(text))
    assert len(shown) == len(text)
    assert {there for was, there in zip(text, shown, strict=True) if was != there} <= {UNSHOWABLE}


@given(st.text(alphabet="{}%#<>&$\\_^*`[]|~!='\"a1 \n"))
def test_no_reader_finds_anything_to_run_or_to_set_off(text):
    safe = safe_html(text)
    assert jinja2.Template(safe).render() == safe
    assert MarkdownIt().renderInline(safe.replace("&#10;", " ")).count("<") == 0
    assert not set("{}$<>\\`'\"") & set(safe)


@pytest.mark.parametrize(("text", "shown"), [("a" * 9, "aaa…"), ("{{{{", "&#123;&#123;&#123;&#123;"), ("東京", "東京")])
def test_a_text_is_cut_before_it_is_made_safe(text, shown):
    assert safe_html(text, 4) == shown
